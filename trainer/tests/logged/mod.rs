//! Collects the messages that the library logs while a test calls it.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::cell::RefCell;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

/// Stores messages separately for each thread, because other tests run at the same time.
struct PerThread;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl Log for PerThread {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("trainer")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// Runs `work`; returns its result and the messages that this thread logged in it.
pub fn logged<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&PerThread).expect("the only logger of this test program");
        log::set_max_level(LevelFilter::Trace);
    });
    LINES.take();
    let result = work();
    (result, LINES.take())
}

/// Runs `work` and returns its result; panics if anything was logged in it.
#[track_caller]
pub fn silent<T>(work: impl FnOnce() -> T) -> T {
    let (result, lines) = logged(work);
    assert!(lines.is_empty(), "{lines:?}");
    result
}
