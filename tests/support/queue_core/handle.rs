//! Receipt handles: opaque to consumers, but distinguishable from garbage, as those of AWS.
//!
//! A handle names the queue, the message and *which* receive of it, so that an older receive's
//! handle is known to be stale long after the message is gone.

/// The content of a genuine handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptHandle {
    /// The queue it was received from.
    pub queue: u32,
    /// The message.
    pub message: u64,
    /// Number of the receive of that message, from 1, over all queues it was in.
    pub receive: u32,
}

impl ReceiptHandle {
    /// The text that a consumer receives.
    pub fn encode(self) -> String {
        let Self { queue, message, receive } = self;
        format!("AQEB{queue:08x}{message:016x}{receive:08x}{:08x}", self.check())
    }

    /// Parses `text`; `None` for garbage.
    pub fn decode(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("AQEB")?;
        if digits.len() != 40 || !digits.is_ascii() {
            return None;
        }
        let part = |range| u64::from_str_radix(&digits[range], 16).ok();
        let handle = Self {
            queue: u32::try_from(part(0..8)?).ok()?,
            message: part(8..24)?,
            receive: u32::try_from(part(24..32)?).ok()?,
        };
        (part(32..40)? == u64::from(handle.check())).then_some(handle)
    }

    /// FNV-1a over the fields: enough to reject an altered handle.
    fn check(self) -> u32 {
        let mut hash = 0x811c_9dc5_u32;
        let fields = [u64::from(self.queue), self.message, u64::from(self.receive)];
        for byte in fields.iter().flat_map(|field| field.to_le_bytes()) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        hash
    }
}
