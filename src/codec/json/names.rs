//! The names of enums in events. `UNKNOWN` is in every schema and in none of these: it is what a symbol
//! of a newer version reads as, and nothing can be done about it.

use crate::domain::input::{
    AccountKind, ActivityKind, CapWindow, DealOutcome, EffectiveChange, UpdateKind,
};
use crate::domain::policy::SlaAction;
use crate::domain::published::{Arm, Cause, Ineligible, Method, Outcome, Reason, Stage};

/// An enum with a name for each of its values.
pub trait Named: Copy + PartialEq + 'static {
    const NAMES: &'static [(&'static str, Self)];

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, value)| *value == self);
        found.map_or("UNKNOWN", |(name, _)| name)
    }
}

macro_rules! named {
    ($type:ident { $($name:literal $variant:ident),* $(,)? }) => {
        impl Named for $type {
            const NAMES: &'static [(&'static str, $type)] = &[$(($name, $type::$variant)),*];

            fn name(self) -> &'static str {
                // Exhaustive on purpose: a new value without a name does not compile.
                match self { $($type::$variant => $name),* }
            }
        }
    };
}

named!(UpdateKind {
    "FIELDS" Fields, "OWNER" Owner, "STATUS" Status, "CONVERTED" Converted, "DELETED" Deleted,
    "UNDELETED" Undeleted, "MERGED" Merged, "LOCKED" Locked, "UNLOCKED" Unlocked,
    "DO_NOT_ROUTE" DoNotRoute,
});
named!(ActivityKind {
    "CALL" Call, "EMAIL" Email, "MEETING" Meeting, "OTHER_TOUCH" OtherTouch,
    "ACCEPTED" Accepted, "DECLINED" Declined, "ON_HOLD" OnHold, "RESUMED" Resumed,
});
named!(DealOutcome { "WON" Won, "LOST" Lost, "REOPENED" Reopened });
named!(EffectiveChange {
    "NEW_ONLY" NewOnly, "UNTOUCHED_OPEN" UntouchedOpen, "ALL_OPEN" AllOpen,
});
named!(CapWindow { "HOUR" Hour, "DAY" Day, "WEEK" Week, "OPEN" Open });
named!(AccountKind {
    "CUSTOMER" Customer, "PROSPECT" Prospect, "PARTNER" Partner, "FORMER" Former,
});
named!(SlaAction { "REMIND" Remind, "ESCALATE" Escalate, "REASSIGN" Reassign });

/// The published enums know their names themselves; this only makes them readable the same way.
macro_rules! published {
    ($($type:ident),*) => {$(
        impl Named for $type {
            const NAMES: &'static [(&'static str, $type)] = &[];

            fn named(name: &str) -> Option<$type> {
                $type::parse(name)
            }

            fn name(self) -> &'static str {
                $type::name(self)
            }
        }
    )*};
}

published!(Outcome, Stage, Method, Reason, Cause, Ineligible, Arm);
