//! The figures of a run, as docs/performance.md quotes them.

use super::child::Cost;

/// Prints medians over the rounds, and the ratio of pairs. `little` is the mean latency in seconds
/// and the requests that may be under way, where a latency was set.
pub(crate) fn print(ours: &[Cost], bare: &[Cost], objects: usize, little: Option<(f64, usize)>) {
    let per = |costs: &[Cost], of: fn(&Cost) -> f64| {
        median(costs.iter().map(|cost| objects as f64 / of(cost)).collect())
    };
    let calls = |costs: &[Cost]| {
        median(costs.iter().map(|cost| cost.calls as f64 / objects as f64).collect())
    };
    let lines: [(&str, [f64; 2]); 3] = [
        ("objects per CPU-second", [per(bare, |c| c.cpu), per(ours, |c| c.cpu)]),
        ("objects per second", [per(bare, |c| c.wall), per(ours, |c| c.wall)]),
        ("SQS calls per object", [calls(bare), calls(ours)]),
    ];
    for (name, [bare, ours]) in lines {
        println!("{name:<24} bare {bare:>8.2}   certrelay {ours:>8.2}");
    }
    let ratios: Vec<f64> = ours.iter().zip(bare).map(|(ours, bare)| ours.cpu / bare.cpu).collect();
    println!("CPU per object, certrelay ÷ bare: {:.2} of {ratios:.2?}", median(ratios.clone()));
    let rss = |costs: &[Cost]| costs.iter().map(|cost| cost.peak_rss_mib).fold(0.0, f64::max);
    println!("peak RSS: bare {:.0} MiB, certrelay {:.0} MiB", rss(bare), rss(ours));
    let first = median(ours.iter().map(|cost| cost.first).collect());
    println!("first message settled after {first:.2} s");
    if let Some((mean, concurrency)) = little {
        let possible = concurrency as f64 / mean;
        println!(
            "Little's law allows {possible:.0}/s at {:.0} ms; reached {:.2} of it, bare {:.2}",
            mean * 1000.0,
            per(ours, |c| c.wall) / possible,
            per(bare, |c| c.wall) / possible,
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
