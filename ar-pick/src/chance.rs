//! Chance that can be repeated: numbers made from texts, the same in every release and on every machine.

/// A hash of texts: FNV-1a, its bits mixed by the finaliser of splitmix64. Keys that stick to providers depend on it, so
/// it never changes.
pub fn hash(texts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for text in texts {
        // The end of a text counts too, so that ("ab", "c") is not ("a", "bc").
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The score of a candidate in weighted rendezvous hashing, of which the lowest wins: each wins its share by weight, and
/// when one goes away the order of the others stays.
///
/// The logarithm method of Schindelhauer and Schomaker, "Weighted distributed hash tables" (2005).
pub fn rendezvous(seed: u64, name: &str, weight: u32) -> f64 {
    let bits = hash(&[&seed.to_string(), name]) >> 11;
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    let uniform = (bits as f64 + 0.5) / (1_u64 << 53) as f64;
    -uniform.ln() / f64::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(hash(&[]), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(hash(&["ab", "c"]), hash(&["ab", "c"]));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }

    #[test]
    fn each_wins_its_share_by_weight() {
        let wins = (0..10_000).filter(|seed| rendezvous(*seed, "a", 3) < rendezvous(*seed, "b", 1)).count();
        assert!((7300..7700).contains(&wins), "{wins}");
    }

    #[test]
    fn only_the_keys_of_one_that_went_away_move() {
        let names = ["a", "b", "c", "d"];
        let best = |seed, names: &[&'static str]| {
            let score = |name: &&&str| rendezvous(seed, name, 1);
            *names.iter().min_by(|a, b| score(a).total_cmp(&score(b))).unwrap()
        };
        for seed in 0..1000 {
            let before = best(seed, &names);
            if before != "d" {
                assert_eq!(best(seed, &names[..3]), before);
            }
        }
    }
}
