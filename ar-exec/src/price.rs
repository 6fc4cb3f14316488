//! What a run costs, where its agent tells the tokens and not the sum.

use ar_core::config::Price;
use ar_core::record::Usage;

/// Prices are for this many tokens.
const PER_TOKENS: f64 = 1e6;

/// The cost in US dollars: the agent's own word, else its tokens at the configured price.
pub fn cost(usage: &Usage, price: Option<&Price>) -> Option<f64> {
    usage.cost_usd.or_else(|| price.map(|price| at(usage, price)))
}

/// Fills in a cost that the agent does not tell, and says that it is an estimate.
pub fn estimate(usage: &mut Usage, price: Option<&Price>) {
    if usage.cost_usd.is_none() && price.is_some() {
        usage.cost_usd = cost(usage, price);
        usage.estimated = true;
    }
}

#[allow(clippy::cast_precision_loss, reason = "no run has 2^52 tokens")]
fn at(usage: &Usage, price: &Price) -> f64 {
    let parts = [
        (usage.input_tokens, price.input),
        (usage.output_tokens, price.output),
        (usage.cache_read_tokens, price.cache_read),
        (usage.cache_write_tokens, price.cache_write),
    ];
    parts.iter().map(|(tokens, price)| *tokens as f64 * price).sum::<f64>() / PER_TOKENS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_a_price_unless_the_agent_tells_the_cost() {
        let price = Price { input: 3.0, output: 15.0, cache_read: 0.3, cache_write: 3.75 };
        let tokens = Usage {
            input_tokens: 1_000_000,
            output_tokens: 100_000,
            cache_read_tokens: 10,
            ..Usage::default()
        };
        let mut usage = tokens.clone();
        estimate(&mut usage, Some(&price));
        assert_eq!((usage.cost_usd, usage.estimated), (Some(4.500_003), true));
        let mut told = Usage { cost_usd: Some(1.0), ..tokens.clone() };
        estimate(&mut told, Some(&price));
        assert_eq!((told.cost_usd, told.estimated), (Some(1.0), false));
        let mut unknown = tokens;
        estimate(&mut unknown, None);
        assert_eq!((unknown.cost_usd, unknown.estimated), (None, false));
    }
}
