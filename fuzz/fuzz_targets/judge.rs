//! Judges any bytes: no panic, no time outside of the next 31 days.
#![no_main]

use ar_core::Stamp;
use ar_diagnose::evidence::Evidence;
use ar_diagnose::judge::judge;
use ar_diagnose::rule::BUILT_IN;
use ar_diagnose::when::LONGEST;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Noon of June 1, 2026.
    let now = Stamp(1_780_315_200_000);
    let half = bytes.len() / 2;
    let evidence = Evidence {
        exit_code: bytes.first().map(|byte| i32::from(byte % 3)),
        stdout: bytes[..half].to_vec(),
        stderr: bytes[half..].to_vec(),
        ..Evidence::default()
    };
    for evidence in [evidence, Evidence { text: bytes.to_vec(), ..Evidence::default() }] {
        if let Some(at) = judge(&evidence, BUILT_IN, now).diagnosis.retry_at {
            assert!(at >= now && at <= now.plus(LONGEST), "{at}");
        }
    }
});
