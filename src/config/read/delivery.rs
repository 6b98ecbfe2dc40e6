//! `[delivery]` and `[decode]`: the bounds of everything in flight, and of one object.

use std::time::Duration;

use super::super::cursor::Section;
use super::super::{Decode, Delivery};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// SQS hides a message at most this long after one receive.
const SQS_CAP: Duration = Duration::from_secs(12 * 3600);
/// Leases are renewed at half their time, and a call may be tried several times.
const SHORT_LEASE: Duration = Duration::from_secs(30);
/// ECS on Fargate kills a task at most 120 s after SIGTERM; releasing what is left takes some of it.
const FARGATE_DRAIN: Duration = Duration::from_secs(110);

pub(super) fn read(top: &Section<'_>) -> Delivery {
    let default = Delivery::default();
    let Some(table) = top.table("delivery", "[delivery]") else { return default };
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let delivery = Delivery {
        work: number(table.count("work", default.work as u64, 1..=1024)),
        // SQS allows 120,000 messages in flight of one queue.
        unacknowledged: number(table.count(
            "unacknowledged",
            default.unacknowledged as u64,
            1..=100_000,
        )),
        memory: table.size("memory", default.memory, 16 << 20..=1 << 40),
        drain: table.duration("drain", default.drain, SECOND..=HOUR),
        ledger: table.duration("ledger", default.ledger, MINUTE..=24 * HOUR),
        visibility: table.duration("visibility", default.visibility, SECOND * 2..=SQS_CAP),
        patience: table.duration("patience", default.patience, SECOND..=SQS_CAP),
    };
    if delivery.drain > FARGATE_DRAIN
        && let Some(item) = table.item("drain")
    {
        item.warning(
            "longer than 110 s: ECS on Fargate kills a task at most 120 s after SIGTERM, \
             so keep this below the container's stop timeout",
        );
    }
    if delivery.visibility < SHORT_LEASE
        && let Some(item) = table.item("visibility")
    {
        item.warning(
            "shorter than 30 s: a slow request of AWS loses the lease, and messages are delivered \
             again; for tests only",
        );
    }
    if delivery.patience + delivery.visibility > SQS_CAP
        && let Some(item) = table.item("patience").or_else(|| table.item("visibility"))
    {
        item.mistake(
            "`patience` and `visibility` together must be at most 12 h: \
             SQS takes a message back 12 h after its receive",
        );
    }
    table.finish();
    delivery
}

pub(super) fn read_decode(top: &Section<'_>) -> Decode {
    let default = Decode::default();
    let Some(table) = top.table("decode", "[decode]") else { return default };
    let nesting = table.count("max_nesting", default.max_nesting.into(), 8..=62);
    let decode = Decode {
        max_decompressed: table.size(
            "max_decompressed",
            default.max_decompressed,
            1 << 20..=1 << 40,
        ),
        max_record: table.size("max_record", default.max_record, 64 << 10..=64 << 20),
        max_ratio: table.count("max_ratio", default.max_ratio, 10..=2000),
        max_nesting: u32::try_from(nesting).unwrap_or(default.max_nesting),
        max_records: table.count("max_records", default.max_records, 1..=1_000_000_000),
        strict: table.flag("strict", default.strict),
        hash: table.flag("hash", default.hash),
    };
    table.finish();
    decode
}
