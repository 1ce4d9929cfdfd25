//! Records a second and CPU a record for the shape of every bridge, from the bridged record to the canonical event
//! that a reader of committed data can see, beside a bare consume → produce of the same records by librdkafka in the
//! same run.
//!
//! ```sh
//! tests/kafka run cargo bench --features tls --bench bridges -- --records 50000
//! ```
//!
//! Each shape is a created lead of the corpus (`tests/it/ingest`), with an id and a transaction of its own each time.

mod measure;
mod shapes;

use std::time::{SystemTime, UNIX_EPOCH};

use lead_router::config::{self, Settings};
use measure::{Cost, Place};
use shapes::Shape;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let after = |name: &str| words.iter().skip_while(|word| *word != name).nth(1);
    let records = after("--records").map_or(50_000, |text| text.parse().expect("--records N"));
    let Ok(bootstrap) = std::env::var("KAFKA_BOOTSTRAP") else {
        println!("KAFKA_BOOTSTRAP names no broker; tests/kafka run COMMAND starts one");
        return;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    println!(
        "{records} records a shape; bare: consume → produce, no transaction; ingest: both stages"
    );
    println!(
        "{:<24} {:>6} {:>10} {:>9} {:>10} {:>9} {:>9}",
        "", "bytes", "bare /s", "CPU µs", "ingest /s", "CPU µs", "CPU ratio"
    );
    // The broker's first minutes are its compiler's: the first shape twice, and the first time not told.
    for (number, shape) in shapes::all().into_iter().enumerate() {
        for round in 0..if number == 0 { 2 } else { 1 } {
            let place = Place::new(&bootstrap, &format!("bridges-{now}-{number}-{round}"));
            let (bare, ingest) = measured(&place, &shape, records);
            if number > 0 || round > 0 {
                tell(&shape, &bare, &ingest);
            }
        }
    }
}

fn measured(place: &Place, shape: &Shape, records: u64) -> (Cost, Cost) {
    let settings: Settings = config::load_text("bench", &place.configuration(), std::iter::empty())
        .expect("valid")
        .settings;
    place.make(&settings);
    place.write(shape, records);
    let costs = (place.bare(records), place.ingest(records));
    place.delete(&settings);
    costs
}

fn tell(shape: &Shape, bare: &Cost, ingest: &Cost) {
    println!(
        "{:<24} {:>6} {:>10.0} {:>9.2} {:>10.0} {:>9.2} {:>9.1}",
        shape.name,
        shape.size(),
        bare.rate(),
        bare.cpu_us(),
        ingest.rate(),
        ingest.cpu_us(),
        ingest.cpu_us() / bare.cpu_us().max(0.01)
    );
}
