//! Questions whose cost grows with the state are worked out off the thread that serves HTTP, so that the probes
//! answer meanwhile, and one at a time, so that the workers lose one core at most to them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::refusal::Refusal;

/// So long a question waits for those before it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lets one through at a time.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Gate {
        Gate(Arc::new(Semaphore::new(1)))
    }
}

impl Gate {
    /// Works out an answer. It is worked out to its end even if nobody waits for it any more: until then no
    /// other one is let through.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Refusal::Busy) };
        let work = spawn_blocking(move || {
            let _turn = turn;
            job()
        });
        work.await.map_err(|error| {
            tracing::error!(%error, "failed to answer a question");
            Refusal::Failed
        })
    }

    /// Nothing passes while this is held.
    #[cfg(test)]
    pub(super) async fn hold(&self) -> tokio::sync::OwnedSemaphorePermit {
        Arc::clone(&self.0).acquire_owned().await.expect("never closed")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_thread_that_serves_is_free_meanwhile() {
        let gate = Gate::default();
        let (go, wait) = mpsc::channel::<()>();
        // On this thread it would wait for ever.
        let long = tokio::spawn(async move { gate.work(move || wait.recv().is_ok()).await });
        tokio::task::yield_now().await;
        go.send(()).expect("still waiting");
        assert!(long.await.expect("no panic").is_ok_and(|went| went));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_so() {
        let gate = Gate::default();
        let turn = gate.hold().await;
        assert!(matches!(gate.work(|| 1).await, Err(Refusal::Busy)));
        drop(turn);
        assert!(matches!(gate.work(|| 1).await, Ok(1)));
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_frees_the_place() {
        let gate = Gate::default();
        let failed = gate.work(|| panic!("on purpose")).await;
        assert!(matches!(failed, Err::<(), _>(Refusal::Failed)));
        assert!(matches!(gate.work(|| 1).await, Ok(1)));
    }
}
