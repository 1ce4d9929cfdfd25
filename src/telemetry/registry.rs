//! The metrics of one process: a registry of its own (never the global one), filled from the
//! catalogue.

use prometheus::core::Collector;
use prometheus::{
    Counter, Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts,
    Registry, TextEncoder,
};
use thiserror::Error;

use super::metrics::{CATALOGUE, Entry, Kind, Metric};
use super::process::{self, Process};

/// Why metrics could not be made or shown; a fault of the catalogue, so tests find it.
#[derive(Debug, Error)]
#[error("failed to handle metrics: {0}")]
pub struct Error(#[from] prometheus::Error);

enum Family {
    Counter(IntCounterVec),
    Gauge(GaugeVec),
    Histogram(HistogramVec),
    /// Read from the system when somebody asks.
    Process(Gauge),
    ProcessCpu(Counter),
}

/// All metrics of a process. Cheap to share behind an `Arc`; every method takes `&self`.
pub struct Metrics {
    registry: Registry,
    /// In the order of the catalogue.
    families: Vec<Family>,
}

impl Metrics {
    /// Every metric of the catalogue, all known combinations of labels at 0.
    pub fn new() -> Result<Metrics, Error> {
        let registry = Registry::new();
        let mut families = Vec::with_capacity(CATALOGUE.len());
        for entry in CATALOGUE {
            families.push(family(&registry, entry)?);
        }
        let metrics = Metrics { registry, families };
        metrics.set(Metric::BuildInfo, &[env!("CARGO_PKG_VERSION")], 1.0);
        Ok(metrics)
    }

    /// Adds to a counter. A wrong number of labels is a fault of the caller and adds nothing.
    pub fn add(&self, metric: Metric, labels: &[&str], n: u64) {
        let Family::Counter(vec) = &self.families[metric as usize] else { return };
        if let Ok(counter) = vec.get_metric_with_label_values(labels) {
            counter.inc_by(n);
        }
    }

    pub fn set(&self, metric: Metric, labels: &[&str], value: f64) {
        let Family::Gauge(vec) = &self.families[metric as usize] else { return };
        if let Ok(gauge) = vec.get_metric_with_label_values(labels) {
            gauge.set(value);
        }
    }

    /// Takes one combination of labels away: a partition that this process no longer serves.
    pub fn forget(&self, metric: Metric, labels: &[&str]) {
        let Family::Gauge(vec) = &self.families[metric as usize] else { return };
        // That it never existed is no fault.
        drop(vec.remove_label_values(labels));
    }

    /// A histogram, to be asked for once and used for many values.
    pub fn histogram(&self, metric: Metric, labels: &[&str]) -> Option<Histogram> {
        let Family::Histogram(vec) = &self.families[metric as usize] else { return None };
        vec.get_metric_with_label_values(labels).ok()
    }

    pub fn observe(&self, metric: Metric, labels: &[&str], value: f64) {
        if let Some(histogram) = self.histogram(metric, labels) {
            histogram.observe(value);
        }
    }

    /// What a counter or gauge says now; None if it does not exist.
    pub fn value(&self, metric: Metric, labels: &[&str]) -> Option<f64> {
        match &self.families[metric as usize] {
            Family::Counter(vec) => {
                vec.get_metric_with_label_values(labels).ok().map(|counter| counter.get() as f64)
            }
            Family::Gauge(vec) => {
                vec.get_metric_with_label_values(labels).ok().map(|gauge| gauge.get())
            }
            Family::Process(gauge) => Some(gauge.get()),
            Family::ProcessCpu(counter) => Some(counter.get()),
            Family::Histogram(_) => None,
        }
    }

    /// The text format of Prometheus, version 0.0.4.
    pub fn text(&self) -> Result<String, Error> {
        self.read_process();
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    fn read_process(&self) {
        let process = process::read();
        for (metric, value) in measures(&process) {
            let Some(value) = value else { continue };
            match &self.families[metric as usize] {
                Family::Process(gauge) => gauge.set(value),
                Family::ProcessCpu(counter) => counter.inc_by((value - counter.get()).max(0.0)),
                Family::Counter(_) | Family::Gauge(_) | Family::Histogram(_) => {}
            }
        }
    }
}

fn measures(process: &Process) -> [(Metric, Option<f64>); 6] {
    [
        (Metric::ProcessCpu, process.cpu_seconds),
        (Metric::ProcessResident, process.resident_bytes),
        (Metric::ProcessVirtual, process.virtual_bytes),
        (Metric::ProcessThreads, process.threads),
        (Metric::ProcessFds, process.open_fds),
        (Metric::ProcessStart, process.started_at),
    ]
}

fn family(registry: &Registry, entry: &Entry) -> Result<Family, Error> {
    let help = format!("{} Unit: {}.", entry.meaning, entry.unit);
    let opts = Opts::new(entry.name, help.clone());
    if entry.name.starts_with("process_") {
        if entry.kind == Kind::Counter {
            let counter = Counter::with_opts(opts)?;
            register(registry, &counter)?;
            return Ok(Family::ProcessCpu(counter));
        }
        let gauge = Gauge::with_opts(opts)?;
        register(registry, &gauge)?;
        return Ok(Family::Process(gauge));
    }
    let labels: Vec<&str> = entry.labels.iter().map(|(name, _)| *name).collect();
    let known = combinations(entry);
    match entry.kind {
        Kind::Counter => {
            let vec = IntCounterVec::new(opts, &labels)?;
            register(registry, &vec)?;
            for values in known {
                vec.get_metric_with_label_values(&values)?;
            }
            Ok(Family::Counter(vec))
        }
        Kind::Gauge => {
            let vec = GaugeVec::new(opts, &labels)?;
            register(registry, &vec)?;
            for values in known {
                vec.get_metric_with_label_values(&values)?;
            }
            Ok(Family::Gauge(vec))
        }
        Kind::Histogram(bounds) => {
            let opts = HistogramOpts::new(entry.name, help).buckets(bounds.to_vec());
            let vec = HistogramVec::new(opts, &labels)?;
            register(registry, &vec)?;
            for values in known {
                vec.get_metric_with_label_values(&values)?;
            }
            Ok(Family::Histogram(vec))
        }
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, vec: &C) -> Result<(), Error> {
    Ok(registry.register(Box::new(vec.clone()))?)
}

/// All combinations of the label values that are known from the start.
fn combinations(entry: &Entry) -> Vec<Vec<&'static str>> {
    let mut rows = vec![Vec::new()];
    for (_, values) in entry.labels {
        let known = values.known();
        rows = rows
            .iter()
            .flat_map(|row: &Vec<&'static str>| {
                known.iter().map(|value| {
                    let mut longer = row.clone();
                    longer.push(*value);
                    longer
                })
            })
            .collect();
    }
    rows
}
