//! The rules of choosing, on values alone. ar-pick(1) states them for users.

use crate::chance::rendezvous;
use ar_core::Stamp;
use ar_core::record::Class;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What one run adds to the pass of a provider of weight 1. Divisible by all numbers up to 24, so those weights are exact.
pub const STRIDE: i64 = 5_354_228_880;
/// How many of its own runs a provider may be ahead of its tier. More than that, taken by callers who left the others
/// out, is not made good: the others would get them all in a row.
const AHEAD: i64 = 16;

/// A provider as the choice sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its place in the model's file, which breaks ties.
    pub index: usize,
    pub name: String,
    /// Lower tiers go first.
    pub tier: u32,
    /// Share inside the tier.
    pub weight: u32,
    /// How far it has come; the lowest is next.
    pub pass: i64,
    /// Runs picked so far.
    pub runs: i64,
    /// Runs alive now.
    pub in_flight: i64,
    /// Whether it failed three times of late, and so goes last in its tier.
    pub shaky: bool,
    /// Whether the caller does not want it.
    pub excluded: bool,
    /// When some of its quota is refilled, where that is known.
    pub refill: Option<Stamp>,
    /// Whether it can be used.
    pub standing: Standing,
}

/// Whether a provider can be used, and why not.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It can.
    Ready,
    /// Its cooldown may be over: one run may try it out.
    Probe(Class),
    /// The configuration leaves it out.
    Disabled,
    /// Somebody has switched it off.
    SwitchedOff,
    /// All runs of the model go to another, until a time or until somebody unlocks it.
    LockedOut(String, Option<Stamp>),
    /// As many runs are alive as may be.
    Full,
    /// As many runs of its account are alive as may be.
    AccountFull,
    /// It failed and rests.
    Cooling(Class, Stamp),
    /// Its cooldown may be over, and another run is trying it out.
    Probing(Class, Stamp),
    /// This window of its quota is used up.
    Spent(String, Stamp),
}

/// What decides between the usable providers of a tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    RoundRobin,
    LeastBusy,
    Ordered,
    SoonestReset,
    /// With a number that is another with each pick.
    Random(u64),
    /// With a number that stands for the caller's key.
    Sticky(u64),
}

/// The candidates of a model and how far its tiers have come.
#[derive(Debug)]
pub struct Pool {
    pub candidates: Vec<Candidate>,
    pub order: Order,
    /// Whether the caller names the one to take.
    pub by_name: bool,
    now: Stamp,
    levels: BTreeMap<u32, i64>,
}

/// What is compared of two candidates, in this order.
struct Rank {
    tier: u32,
    last: bool,
    score: f64,
    pass: i64,
    index: usize,
}

impl Rank {
    fn compare(&self, other: &Self) -> Ordering {
        (self.tier.cmp(&other.tier).then(self.last.cmp(&other.last)))
            .then(self.score.total_cmp(&other.score))
            .then(self.pass.cmp(&other.pass))
            .then(self.index.cmp(&other.index))
    }
}

impl Candidate {
    /// Whether a pick may take it.
    pub fn usable(&self) -> bool {
        !self.excluded && self.in_service()
    }

    /// Whether it could be taken by somebody.
    pub fn in_service(&self) -> bool {
        matches!(self.standing, Standing::Ready | Standing::Probe(_))
    }

    /// What a run adds to its pass.
    fn stride(&self) -> i64 {
        STRIDE / i64::from(self.weight.max(1))
    }
}

impl Pool {
    /// The pool of these candidates, whose tiers had come as far as `stored` at the last pick.
    pub fn new(candidates: Vec<Candidate>, stored: BTreeMap<u32, i64>, order: Order, now: Stamp) -> Self {
        let levels = levels(&candidates, stored);
        Self { candidates, order, by_name: false, now, levels }
    }

    /// The candidate to take: the lowest tier with a usable one, and in it the first by the order.
    pub fn choose(&self) -> Option<&Candidate> {
        let usable = self.candidates.iter().filter(|candidate| candidate.usable());
        let ranked = usable.map(|candidate| (self.rank(candidate), candidate));
        ranked.min_by(|(a, _), (b, _)| a.compare(b)).map(|(_, candidate)| candidate)
    }

    /// Where a candidate stands: the lowest goes first. Those that failed of late go last in their tier, unless a key sticks
    /// to them; ties go to the fewest runs, then to the first in the file.
    fn rank(&self, candidate: &Candidate) -> Rank {
        Rank {
            tier: candidate.tier,
            last: candidate.shaky && !self.is_sticky(),
            score: self.score(candidate),
            pass: self.pass(candidate),
            index: candidate.index,
        }
    }

    fn is_sticky(&self) -> bool {
        matches!(self.order, Order::Sticky(_))
    }

    /// What the order compares; the lowest goes first: how many runs of weight 1 a provider is ahead of the least used
    /// one, how many of its runs are alive by its weight, its place in the file, the hours until its quota is refilled.
    #[allow(clippy::cast_precision_loss, reason = "equal scores are told apart by the exact pass")]
    pub fn score(&self, candidate: &Candidate) -> f64 {
        match self.order {
            Order::RoundRobin => (self.pass(candidate) - self.level(candidate.tier)) as f64 / STRIDE as f64,
            Order::LeastBusy => candidate.in_flight as f64 / f64::from(candidate.weight.max(1)),
            Order::Ordered => candidate.index as f64,
            Order::SoonestReset => {
                candidate.refill.map_or(f64::INFINITY, |at| at.since(self.now).as_secs_f64() / 3600.0)
            }
            Order::Sticky(seed) | Order::Random(seed) => rendezvous(seed, &candidate.name, candidate.weight),
        }
    }

    /// How far a candidate has come, and at least as far as its tier.
    fn pass(&self, candidate: &Candidate) -> i64 {
        candidate.pass.max(self.level(candidate.tier))
    }

    /// How far a tier has come.
    pub fn level(&self, tier: u32) -> i64 {
        self.levels.get(&tier).copied().unwrap_or(0)
    }

    /// The pass of a candidate after it was taken.
    pub fn next_pass(&self, candidate: &Candidate) -> i64 {
        let stride = candidate.stride();
        let most = self.level(candidate.tier).saturating_add(stride.saturating_mul(AHEAD));
        self.pass(candidate).saturating_add(stride).min(most)
    }

    /// Why the chosen one was taken, in words.
    pub fn reason(&self, chosen: &Candidate) -> String {
        if self.by_name {
            return "asked for by name".to_owned();
        }
        if let Standing::Probe(class) = chosen.standing {
            return format!("trying it out after {}", class.name());
        }
        let tier = chosen.tier;
        let alike = |c: &&Candidate| c.usable() && c.tier == tier && c.shaky == chosen.shaky;
        if self.candidates.iter().filter(alike).count() == 1 {
            let though = if chosen.shaky { ", though it failed of late" } else { "" };
            return format!("the only one free in tier {tier}{though}");
        }
        let among = if chosen.shaky { " among those that failed of late" } else { "" };
        match self.order {
            Order::RoundRobin => format!("fewest runs{among} in tier {tier}"),
            Order::LeastBusy => format!("fewest live runs{among} in tier {tier}"),
            Order::Ordered => format!("first{among} in tier {tier}"),
            Order::SoonestReset if chosen.refill.is_none() => {
                format!("fewest runs{among} in tier {tier}, of whose quota nothing is known")
            }
            Order::SoonestReset => format!("refilled first{among} in tier {tier}"),
            Order::Random(_) => format!("drawn{among} in tier {tier}"),
            Order::Sticky(_) => format!("the key sticks to it in tier {tier}"),
        }
    }

    /// Why a candidate was left although it can serve.
    pub fn passed_over(&self, left: &Candidate, chosen: &Candidate) -> String {
        if left.tier > chosen.tier {
            return format!("tier {} can serve", chosen.tier);
        }
        if left.shaky && !chosen.shaky && !self.is_sticky() {
            return "it failed three times of late".to_owned();
        }
        let tied = self.score(left).total_cmp(&self.score(chosen)) == Ordering::Equal;
        let why = match self.order {
            _ if tied && self.pass(left) == self.pass(chosen) => "another comes first in the file",
            _ if tied => "another has fewer runs",
            Order::RoundRobin => "another has fewer runs",
            Order::LeastBusy => "another has fewer live runs",
            Order::Ordered => "another comes first in the file",
            Order::SoonestReset => "another is refilled first",
            Order::Random(_) => "another was drawn",
            Order::Sticky(_) => "the key sticks to another",
        };
        why.to_owned()
    }
}

/// The level of each tier: the pass of the least used provider in service, and never less than it was.
///
/// Start-time fair queueing (Goyal, Vin and Cheng 1996) gives those that come back the virtual time of now, so that a
/// provider which rested for a day is not handed a day's work at once. One that only this caller leaves out keeps its
/// claim; one that failed of late does not hold the others back.
fn levels(candidates: &[Candidate], stored: BTreeMap<u32, i64>) -> BTreeMap<u32, i64> {
    let mut levels: BTreeMap<u32, i64> = BTreeMap::new();
    for candidate in candidates.iter().filter(|candidate| !candidate.shaky && candidate.in_service()) {
        let least = levels.entry(candidate.tier).or_insert(candidate.pass);
        *least = candidate.pass.min(*least);
    }
    for (tier, level) in stored {
        let least = levels.entry(tier).or_insert(level);
        *least = level.max(*least);
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(weights: &[u32]) -> Pool {
        let candidate = |(index, weight): (usize, &u32)| Candidate {
            index,
            name: format!("p{index}"),
            tier: 1,
            weight: *weight,
            pass: 0,
            runs: 0,
            in_flight: 0,
            shaky: false,
            excluded: false,
            refill: None,
            standing: Standing::Ready,
        };
        let candidates = weights.iter().enumerate().map(candidate).collect();
        Pool::new(candidates, BTreeMap::new(), Order::RoundRobin, Stamp(0))
    }

    fn draw(pool: &mut Pool) -> usize {
        pool.levels = levels(&pool.candidates, std::mem::take(&mut pool.levels));
        let chosen = pool.choose().unwrap();
        let (index, pass) = (chosen.index, pool.next_pass(chosen));
        pool.candidates[index].pass = pass;
        pool.candidates[index].runs += 1;
        index
    }

    fn draws(pool: &mut Pool, n: usize) -> Vec<usize> {
        (0..n).map(|_| draw(pool)).collect()
    }

    #[test]
    fn equals_are_used_in_turn() {
        assert_eq!(draws(&mut pool(&[1, 1, 1, 1]), 8), [0, 1, 2, 3, 0, 1, 2, 3]);
    }

    #[test]
    fn weights_hold_at_any_number_of_runs() {
        for weights in [[3, 1], [1, 3], [5, 7], [24, 1]] {
            let mut pool = pool(&weights);
            for n in 1..2000 {
                draw(&mut pool);
                let fair = n * i64::from(weights[0]) / i64::from(weights[0] + weights[1]);
                assert!((pool.candidates[0].runs - fair).abs() <= 1, "{weights:?} {n}: {pool:?}");
            }
        }
    }

    #[test]
    fn one_that_comes_back_gets_its_share_and_no_more() {
        let mut pool = pool(&[1, 1, 1]);
        pool.candidates[2].standing = Standing::Cooling(Class::RateLimit, Stamp(9));
        draws(&mut pool, 1000);
        assert_eq!((pool.candidates[0].runs, pool.candidates[1].runs), (500, 500));
        pool.candidates[2].standing = Standing::Probe(Class::RateLimit);
        draws(&mut pool, 30);
        assert!((9..=11).contains(&pool.candidates[2].runs), "{pool:?}");
    }

    #[test]
    fn what_was_asked_for_by_name_is_made_good_within_bounds() {
        let mut pool = pool(&[1, 1]);
        pool.candidates[1].excluded = true;
        draws(&mut pool, 1000);
        pool.candidates[1].excluded = false;
        let next = draws(&mut pool, 40);
        assert_eq!(next.iter().take_while(|index| **index == 1).count(), 16);
        assert_eq!(next.iter().filter(|index| **index == 1).count(), 28);
    }

    #[test]
    fn tiers_are_strict_and_those_that_failed_of_late_go_last() {
        let mut pool = pool(&[1, 1, 1]);
        pool.candidates[0].tier = 2;
        pool.candidates[1].shaky = true;
        pool.candidates[2].pass = 99;
        assert_eq!(pool.choose().unwrap().index, 2);
        pool.candidates[2].standing = Standing::Full;
        assert_eq!(pool.choose().unwrap().index, 1);
        pool.candidates[1].standing = Standing::Disabled;
        assert_eq!(pool.choose().unwrap().index, 0);
        pool.candidates[0].excluded = true;
        assert_eq!(pool.choose(), None);
    }

    #[test]
    fn each_order_takes_what_the_manual_says() {
        let mut pool = pool(&[1, 1, 2]);
        pool.candidates[0].in_flight = 1;
        pool.candidates[1].in_flight = 2;
        pool.candidates[2].in_flight = 1;
        pool.candidates[0].pass = 5;
        pool.candidates[2].refill = Some(Stamp(7));
        pool.candidates[1].refill = Some(Stamp(5));
        for (order, index) in
            [(Order::RoundRobin, 1), (Order::LeastBusy, 2), (Order::Ordered, 0), (Order::SoonestReset, 1)]
        {
            pool.order = order;
            assert_eq!(pool.choose().unwrap().index, index, "{order:?}");
        }
        // Ties go to the fewest runs, then to the first in the file.
        pool.order = Order::SoonestReset;
        pool.candidates.iter_mut().for_each(|candidate| candidate.refill = None);
        assert_eq!(pool.choose().unwrap().index, 1);
    }

    #[test]
    fn a_key_sticks_to_its_provider_and_falls_back_while_that_one_rests() {
        let mut pool = pool(&[1, 1, 1]);
        for seed in 0..100 {
            pool.order = Order::Sticky(seed);
            let owner = pool.choose().unwrap().index;
            pool.candidates[owner].shaky = true;
            assert_eq!(pool.choose().unwrap().index, owner);
            pool.candidates[owner].standing = Standing::Cooling(Class::RateLimit, Stamp(9));
            assert_ne!(pool.choose().unwrap().index, owner);
            pool.candidates[owner].standing = Standing::Ready;
            pool.candidates[owner].shaky = false;
            assert_eq!(pool.choose().unwrap().index, owner);
        }
    }
}
