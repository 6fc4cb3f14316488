//! The rules of choosing, on values alone. ar-pick(1) states them for users.

use ar_core::Stamp;
use ar_core::record::Class;

/// What one run adds to the pass of a provider of weight 1. Divisible by all weights up to 18, so those are exact.
pub const STRIDE: i64 = 12_252_240;

/// A provider as the choice sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its place in the model's file, which breaks ties.
    pub index: usize,
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
    /// Whether it failed three times in the last 30 minutes, and so goes last in its tier.
    pub shaky: bool,
    /// Whether the caller does not want it.
    pub excluded: bool,
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
    /// The configuration switches it off.
    Disabled,
    /// As many runs are alive as may be.
    Full,
    /// It failed and rests.
    Cooling(Class, Stamp),
    /// Its cooldown may be over, and another run is trying it out.
    Probing(Class, Stamp),
}

impl Candidate {
    /// Whether a pick may take it.
    pub fn usable(&self) -> bool {
        !self.excluded && matches!(self.standing, Standing::Ready | Standing::Probe(_))
    }

    /// Whether its pass counts when the level of its tier is taken. One that is out of service falls behind without
    /// earning a claim to catch up; one that only this caller leaves out keeps its claim.
    fn sets_level(&self) -> bool {
        !self.shaky && matches!(self.standing, Standing::Ready | Standing::Probe(_))
    }
}

/// The candidate to take: the lowest tier with a usable one; in it those that did not fail of late; of them the lowest
/// pass, which is not below the level of the tier; of equals the first in the file.
pub fn choose(candidates: &[Candidate], level: impl Fn(u32) -> i64) -> Option<&Candidate> {
    candidates
        .iter()
        .filter(|candidate| candidate.usable())
        .min_by_key(|c| (c.tier, c.shaky, c.pass.max(level(c.tier)), c.index))
}

/// The level of a tier: the pass of the least used provider in service, and never less than it was.
///
/// Start-time fair queueing (Goyal, Vin and Cheng 1996) gives those that come back the virtual time of now, so that a
/// provider which rested for a day is not handed a day's work at once.
pub fn level(candidates: &[Candidate], tier: u32, stored: i64) -> i64 {
    let least = candidates.iter().filter(|c| c.tier == tier && c.sets_level()).map(|c| c.pass).min();
    least.map_or(stored, |least| least.max(stored))
}

/// The pass of a candidate after it was taken.
pub fn next_pass(candidate: &Candidate, level: i64) -> i64 {
    candidate.pass.max(level).saturating_add(STRIDE / i64::from(candidate.weight.max(1)))
}

/// Why the chosen one was taken, in words.
pub fn reason(chosen: &Candidate, candidates: &[Candidate]) -> String {
    if let Standing::Probe(class) = chosen.standing {
        return format!("trying it out after {}", class.name());
    }
    let rivals =
        candidates.iter().filter(|c| c.usable() && c.tier == chosen.tier && c.shaky == chosen.shaky).count();
    match (rivals, chosen.shaky) {
        (1, false) => format!("the only one free in tier {}", chosen.tier),
        (_, true) => format!("fewest runs among those that failed of late in tier {}", chosen.tier),
        (_, false) => format!("fewest runs in tier {}", chosen.tier),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(weights: &[u32]) -> Vec<Candidate> {
        let candidate = |(index, weight): (usize, &u32)| Candidate {
            index,
            tier: 1,
            weight: *weight,
            pass: 0,
            runs: 0,
            in_flight: 0,
            shaky: false,
            excluded: false,
            standing: Standing::Ready,
        };
        weights.iter().enumerate().map(candidate).collect()
    }

    fn draw(pool: &mut [Candidate], stored: &mut i64) -> usize {
        *stored = level(pool, 1, *stored);
        let at = *stored;
        let index = choose(pool, |_| at).unwrap().index;
        pool[index].pass = next_pass(&pool[index], at);
        pool[index].runs += 1;
        index
    }

    #[test]
    fn equals_are_used_in_turn() {
        let (mut pool, mut stored) = (pool(&[1, 1, 1, 1]), 0);
        let drawn: Vec<usize> = (0..8).map(|_| draw(&mut pool, &mut stored)).collect();
        assert_eq!(drawn, [0, 1, 2, 3, 0, 1, 2, 3]);
    }

    #[test]
    fn weights_hold_at_any_number_of_runs() {
        let (mut pool, mut stored) = (pool(&[3, 1]), 0);
        for n in 1..1000 {
            draw(&mut pool, &mut stored);
            assert!((pool[0].runs - n * 3 / 4).abs() <= 1, "{n}: {}", pool[0].runs);
        }
    }

    #[test]
    fn one_that_comes_back_gets_its_share_and_no_more() {
        let (mut pool, mut stored) = (pool(&[1, 1, 1]), 0);
        pool[2].standing = Standing::Cooling(Class::RateLimit, Stamp(9));
        (0..1000).for_each(|_| _ = draw(&mut pool, &mut stored));
        assert_eq!((pool[0].runs, pool[1].runs), (500, 500));
        pool[2].standing = Standing::Probe(Class::RateLimit);
        (0..30).for_each(|_| _ = draw(&mut pool, &mut stored));
        assert!((9..=11).contains(&pool[2].runs), "{}", pool[2].runs);
    }

    #[test]
    fn tiers_are_strict_and_those_that_failed_of_late_go_last() {
        let mut pool = pool(&[1, 1, 1]);
        pool[0].tier = 2;
        pool[1].shaky = true;
        pool[2].pass = 99;
        assert_eq!(choose(&pool, |_| 0).unwrap().index, 2);
        pool[2].standing = Standing::Full;
        assert_eq!(choose(&pool, |_| 0).unwrap().index, 1);
        pool[1].standing = Standing::Disabled;
        assert_eq!(choose(&pool, |_| 0).unwrap().index, 0);
        pool[0].excluded = true;
        assert_eq!(choose(&pool, |_| 0), None);
    }
}
