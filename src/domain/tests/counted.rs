//! What is only counted: deals by the arm of their lead, what the model said of them, and guard rails that act.

use super::world::{World, rep, territory};
use crate::domain::fact::{Counter, DealArm, DealTaken};
use crate::domain::ids::{EventId, LeadId, OpportunityId, RepId};
use crate::domain::input::{DealOutcome, Input, OpportunityClosed, SegmentFields};
use crate::domain::policy::{Policy, Sticky};
use crate::domain::published::{LeadAssigned, Method};
use crate::domain::time::Span;

/// Ann and bob; of the deals so far ann has won four in five, bob one in five.
fn world(control_share: f64, max_share: f64, min_share: f64) -> World {
    let mut policy = Policy::default();
    policy.choice.control_share = control_share;
    policy.choice.floor = 0.0;
    (policy.choice.max_share, policy.choice.min_share) = (max_share, min_share);
    policy.sticky = Sticky { window: Span::ZERO, ..policy.sticky };
    let mut world = World::new(policy);
    world.rep("ann", rep(true));
    world.rep("bob", rep(true));
    world.territory("west", territory(&["CA"], &["ann", "bob"]));
    for number in 0..100 {
        let won = |lucky: bool| if lucky { DealOutcome::Won } else { DealOutcome::Lost };
        close(&mut world, &format!("a{number}"), "ann", None, won(number % 5 != 0));
        close(&mut world, &format!("b{number}"), "bob", None, won(number % 5 == 0));
    }
    world.counted.clear();
    world
}

fn close(world: &mut World, deal: &str, rep: &str, lead: Option<&str>, outcome: DealOutcome) {
    let closed_at = world.now;
    world.feed(Input::OpportunityClosed(Box::new(OpportunityClosed {
        event_id: EventId::new(&format!("{deal} {outcome:?} {closed_at:?}")),
        opportunity_id: OpportunityId::new(deal),
        outcome,
        rep_id: RepId::new(rep),
        lead_id: lead.map(LeadId::new),
        account_id: None,
        opened_at: None,
        closed_at,
        amount: None,
        currency: None,
        segment: SegmentFields::default(),
    })));
    world.advance(Span::from_secs(60));
}

fn deals(world: &World) -> Vec<DealTaken> {
    let deal = |counter: &Counter| match counter {
        Counter::Deal(deal) => Some(*deal),
        _ => None,
    };
    world.counted.iter().filter_map(deal).collect()
}

fn outcomes(world: &World) -> Vec<(DealOutcome, DealArm)> {
    deals(world).into_iter().map(|deal| (deal.outcome, deal.arm)).collect()
}

#[test]
fn a_deal_counts_by_the_arm_of_its_lead_and_again_when_its_outcome_changes() {
    use DealOutcome::{Lost, Reopened, Won};
    for (share, arm) in [(0.0, DealArm::Treatment), (1.0, DealArm::Control)] {
        let mut world = world(share, 0.0, 0.0);
        world.lead("L1", "CA");
        world.lead("L2", "NY");
        let owner = world.owner("L1");
        close(&mut world, "d1", &owner, Some("L1"), Lost);
        close(&mut world, "d1", &owner, Some("L1"), Lost);
        close(&mut world, "d1", &owner, Some("L1"), Reopened);
        close(&mut world, "d1", &owner, Some("L1"), Won);
        close(&mut world, "d2", "ann", Some("L2"), Won);
        close(&mut world, "d3", "ann", Some("nobody"), Won);
        let expected = [(Lost, arm), (Reopened, arm), (Won, arm)];
        let others = [(Won, DealArm::None), (Won, DealArm::NoLead)];
        assert_eq!(outcomes(&world), [&expected[..], &others].concat());
    }
}

#[test]
fn the_model_says_what_it_expects_before_it_learns_the_outcome() {
    let mut world = world(0.0, 0.0, 0.0);
    world.lead("L1", "CA");
    let given = world.assigned.last().expect("a decision").clone();
    assert_eq!((given.method, world.owner("L1").as_str()), (Method::WinRate, "ann"));
    close(&mut world, "d1", "ann", Some("L1"), DealOutcome::Lost);
    // No deal closed between: it says now what it said then.
    let said = given.win_probability.expect("P(win)").mean;
    assert_eq!(deals(&world).last().and_then(|deal| deal.stated), Some(said));
    // Not again of the same deal, nor of one that another rep closed, nor of a lead given by turn.
    close(&mut world, "d1", "ann", Some("L1"), DealOutcome::Won);
    world.lead("L2", "CA");
    close(&mut world, "d2", "bob", Some("L2"), DealOutcome::Won);
    assert_eq!(deals(&world).iter().filter(|deal| deal.stated.is_some()).count(), 1);
    let mut world = self::world(1.0, 0.0, 0.0);
    world.lead("L1", "CA");
    let owner = world.owner("L1");
    close(&mut world, "d1", &owner, Some("L1"), DealOutcome::Won);
    assert_eq!(deals(&world).last().and_then(|deal| deal.stated), None);
}

#[test]
fn a_deal_of_a_rep_that_no_event_has_told_of_is_said() {
    let mut world = world(0.0, 0.0, 0.0);
    close(&mut world, "d1", "ann", None, DealOutcome::Won);
    assert!(!world.counted.contains(&Counter::UnknownRep));
    close(&mut world, "d2", "005A", None, DealOutcome::Won);
    assert!(world.counted.contains(&Counter::UnknownRep));
}

/// Whether somebody had a better score and no chance.
fn was_railed(assigned: &LeadAssigned) -> bool {
    let own = assigned.candidates.iter().find(|one| Some(&one.rep_id) == assigned.rep_id.as_ref());
    let score = own.and_then(|own| own.score).expect("a choice by score");
    let better =
        |one: &&crate::domain::published::Candidate| one.score.is_some_and(|it| it > score);
    assigned.candidates.iter().filter(better).any(|one| one.propensity == Some(0.0))
}

#[test]
fn each_choice_in_which_a_guard_rail_passed_over_the_best_score_counts_once() {
    for (max_share, min_share, rail) in
        [(1.2, 0.0, Counter::OverMaxShare), (0.0, 0.8, Counter::UnderMinShare)]
    {
        let mut world = world(0.0, max_share, min_share);
        for number in 0..40 {
            world.lead(&format!("L{number}"), "CA");
        }
        let railed = world.assigned.iter().filter(|assigned| was_railed(assigned)).count();
        let counted = world.counted.iter().filter(|counter| **counter == rail).count();
        assert_eq!((counted, world.counted.len()), (railed, railed), "{rail:?}");
        assert!((5..35).contains(&railed), "{railed} of 40, {rail:?}");
    }
    let mut free = world(0.0, 0.0, 0.0);
    for number in 0..40 {
        free.lead(&format!("L{number}"), "CA");
    }
    assert!(free.counted.is_empty() && !free.assigned.iter().any(was_railed));
}
