//! The product on a chip: test card, model, app, and what is said when something is wrong.

#![forbid(unsafe_code)]

use core::fmt::Debug;

use defmt::{Debug2Format, Display2Format, error, info, warn};
use embedded_graphics::draw_target::DrawTarget;
use gen_core::Model;

use crate::app::{App, Event, Failed, Refused, StartError};
use crate::board::{self, stack};
use crate::ink::Ink;
use crate::io::Io;
use crate::model::{MODEL_LEN, WORKSPACE_LEN};
use crate::settings::{BadSetting, Settings};
use crate::{testcard, view};

/// Runs the app for ever.
///
/// Whatever goes wrong is said in the log, and on the display if there is one. A display that
/// reports errors does not stop the app: it may be plugged in again.
pub fn run<D, I>(display: &mut D, mut io: I, settings: Settings) -> !
where
    D: DrawTarget<Color: Ink, Error: Debug>,
    I: Io,
{
    info!("model {=usize} bytes, workspace {=usize} bytes", MODEL_LEN, WORKSPACE_LEN);
    let mut log = Log::default();
    if io.is_down() {
        info!("test card, until the button is let go");
        if let Err(e) = testcard::draw(display) {
            log.failed(&e);
        }
        while io.is_down() {
            io.wait();
        }
    }
    let model = match Model::parse(board::model()) {
        Ok(model) => model,
        Err(e) => stop(display, io, StartError::Model(e)),
    };
    let mut app = match App::new(&model, board::workspace(), display, io, settings) {
        Ok(app) => app,
        Err(Refused { error, display, io }) => stop(display, io, error),
    };
    loop {
        let step = app.step();
        // What a display does not take will not be taken at once.
        let is_idle = step.is_err();
        if !log.step(step) || is_idle {
            app.io().wait();
        }
    }
}

/// What steps of the app came to, in words.
#[derive(Debug, Default)]
pub struct Log {
    /// The display fails, and that was said.
    fails: bool,
}

impl Log {
    /// Writes a line for an event, and one for a display that fails or works again; whether there was an event.
    pub fn step<E: Debug>(&mut self, step: Result<Option<Event>, Failed<E>>) -> bool {
        let event = match step {
            Ok(event) => {
                if self.fails && matches!(event, Some(Event::Drawn { .. } | Event::Morph { .. })) {
                    info!("the display works again");
                    self.fails = false;
                }
                event
            }
            Err(Failed { event, error }) => {
                self.failed(&error);
                event
            }
        };
        event.as_ref().inspect(|event| write(event)).is_some()
    }

    /// Writes a line for a display that fails, once.
    fn failed(&mut self, error: &impl Debug) {
        if !self.fails {
            error!("the display fails, check its wires: {}", Debug2Format(error));
            self.fails = true;
        }
    }
}

fn write(event: &Event) {
    match event {
        Event::Drawn { seed, crc, us } => info!(
            "picture {=u32} drawn, crc {=u32:08x}, {=u32} us, stack used {=usize} bytes",
            seed,
            crc,
            us,
            stack::used()
        ),
        Event::Morph { from, to, t, crc, us } => {
            info!("picture {=u32} on the way to {=u32}: {=u16}/256, crc {=u32:08x}, {=u32} us", from, to, t, crc, us);
        }
        Event::Unknown(word) => warn!("{=str} ignored: {}", word.as_str(), Display2Format(&BadSetting)),
    }
}

/// Says what is wrong in the log, and on the display as soon as it works, and stays there.
fn stop<D: DrawTarget<Color: Ink>>(display: &mut D, mut io: impl Io, problem: StartError) -> ! {
    let mut is_shown = view::message(display, problem).is_ok();
    error!("{}", Display2Format(&problem));
    loop {
        io.wait();
        is_shown = is_shown || view::message(display, problem).is_ok();
    }
}
