//! Which three letters in a row occur in a text: most words are not in it, and this tells so without a search.

/// A quarter of a million bits keep a text of 64 KiB sparse.
const BITS: usize = 1 << 18;

/// The set of a text's trigrams; it may hold a few more, never fewer.
#[derive(Debug)]
pub struct Grams {
    bits: Vec<u64>,
}

impl Grams {
    /// Collects the trigrams of a text.
    pub fn of(text: &[u8]) -> Self {
        let mut bits = vec![0_u64; BITS / 64];
        for gram in text.windows(3) {
            let (word, bit) = place(gram);
            if let Some(word) = bits.get_mut(word) {
                *word |= bit;
            }
        }
        Self { bits }
    }

    /// Whether the text may hold the word; false is certain.
    pub fn may_hold(&self, word: &[u8]) -> bool {
        word.windows(3).all(|gram| {
            let (word, bit) = place(gram);
            self.bits.get(word).is_some_and(|word| word & bit != 0)
        })
    }
}

fn place(gram: &[u8]) -> (usize, u64) {
    let number = gram.iter().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
    // Fibonacci hashing spreads the few letters of a text over all bits.
    let bit = (number.wrapping_mul(0x9E37_79B9) >> 12) & (BITS - 1);
    (bit / 64, 1 << (bit % 64))
}

#[cfg(test)]
mod tests {
    use super::Grams;

    #[test]
    fn what_is_there_is_never_denied() {
        let grams = Grams::of(b"too many requests");
        for word in ["too", "many", "requests", "ny r", "ab", ""] {
            assert!(grams.may_hold(word.as_bytes()), "{word}");
        }
        assert!(!grams.may_hold(b"quota"));
    }
}
