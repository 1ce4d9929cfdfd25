//! The regimes: what makes one kind of world differ from the reference.

/// Time constants and the like are in days.
#[derive(Clone, Debug)]
pub(crate) struct Regime {
    pub(crate) name: &'static str,
    pub(crate) reps: usize,
    pub(crate) leads_a_year: usize,
    pub(crate) years: f64,
    /// Win rates of plain rotation and of the clairvoyant choice, that the world is scaled to.
    pub(crate) rotation: f64,
    pub(crate) clairvoyant: f64,
    /// Mean age of a deal at its close.
    pub(crate) days_lost: f64,
    pub(crate) days_won: f64,
    /// Logit that a rep lacks on the first day in the job, and how fast that passes.
    pub(crate) ramp: f64,
    pub(crate) ramp_days: f64,
    /// Share of the reps that are hired during the run, and that leave during it.
    pub(crate) hired: f64,
    pub(crate) leaving: f64,
    /// Time constant with which the reps' effects change; 0 = they do not.
    pub(crate) drift_days: f64,
    /// Leads a week that a rep takes, as a multiple of the fair share; 0 = no cap.
    pub(crate) cap: f64,
    /// Closed deals of the year before, the best reps having had the hardest leads.
    pub(crate) history: usize,
    /// Deviation of what makes a lead hard and no field tells.
    pub(crate) hidden: f64,
    /// The truth is none that the estimator can express.
    pub(crate) misspecified: bool,
}

const REFERENCE: Regime = Regime {
    name: "reference",
    reps: 24,
    leads_a_year: 6_000,
    years: 2.0,
    rotation: 0.192,
    clairvoyant: 0.337,
    days_lost: 21.0,
    days_won: 42.0,
    ramp: 0.0,
    ramp_days: 90.0,
    hired: 0.0,
    leaving: 0.0,
    drift_days: 0.0,
    cap: 0.0,
    history: 0,
    hidden: 0.0,
    misspecified: false,
};

pub(crate) fn all() -> Vec<Regime> {
    vec![
        REFERENCE,
        Regime { name: "strong", clairvoyant: 0.43, ..REFERENCE },
        Regime { name: "modest", clairvoyant: 0.27, ..REFERENCE },
        Regime { name: "none", clairvoyant: 0.192, ..REFERENCE },
        Regime { name: "small", reps: 6, leads_a_year: 1_000, clairvoyant: 0.29, ..REFERENCE },
        Regime { name: "new-reps", ramp: 0.8, hired: 0.5, leaving: 0.25, ..REFERENCE },
        Regime { name: "drift", drift_days: 365.0, ..REFERENCE },
        Regime { name: "delayed", days_lost: 45.0, days_won: 120.0, ..REFERENCE },
        Regime { name: "caps", cap: 1.6, ..REFERENCE },
        Regime { name: "confounded", history: 6_000, hidden: 0.5, years: 1.0, ..REFERENCE },
        Regime { name: "misspecified", misspecified: true, hidden: 0.3, ..REFERENCE },
        Regime { name: "plenty", leads_a_year: 30_000, ..REFERENCE },
    ]
}
