//! The product's main loop on a chip: test card, model, app, and messages when something is wrong.

use core::fmt::Debug;
use core::hint::black_box;

use defmt::{Debug2Format, Display2Format, error, info, warn};
use embedded_graphics::draw_target::DrawTarget;
use firmware_app::app::{App, Event, Failed, Refused, StartError};
use firmware_app::color::FromRgb;
use firmware_app::platform::Platform;
use firmware_app::settings::{BadSetting, Settings};
use firmware_app::{testcard, view};
use gen_core::Model;

use crate::stack;

/// Runs the app for ever: draws pictures of `model` in `workspace`, which is as long as the model needs.
///
/// Errors are written to the log, and to the display if there is one. A display that reports errors does not
/// stop the app, because it may be plugged in again.
pub fn run<D, P>(
    model: &'static [u8],
    workspace: &'static mut [i8],
    display: &mut D,
    mut platform: P,
    settings: Settings,
) -> !
where
    D: DrawTarget<Color: FromRgb, Error: Debug>,
    P: Platform,
{
    // The compiler knows the model, and would otherwise answer some of the parser's questions in advance: it is
    // read as it lies in flash now.
    let model = black_box(model);
    info!("model {=usize} bytes, workspace {=usize} bytes", model.len(), workspace.len());
    let mut log = Log::default();
    if platform.is_down() {
        info!("test card, until the button is let go");
        if let Err(e) = testcard::draw(display) {
            log.failed(&e);
        }
        while platform.is_down() {
            platform.wait();
        }
    }
    let model = match Model::parse(model) {
        Ok(model) => model,
        Err(e) => stop(display, platform, StartError::Model(e)),
    };
    let mut app = match App::new(&model, workspace, display, platform, settings) {
        Ok(app) => app,
        Err(Refused { error, display, platform }) => stop(display, platform, error),
    };
    loop {
        let step = app.step();
        // A display that fails is not tried again at once.
        let is_idle = step.is_err();
        if !log.step(step) || is_idle {
            app.platform().wait();
        }
    }
}

/// Writes to the log what the steps of the app have done.
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
fn stop<D: DrawTarget<Color: FromRgb>>(display: &mut D, mut platform: impl Platform, problem: StartError) -> ! {
    let mut is_shown = view::message(display, problem).is_ok();
    error!("{}", Display2Format(&problem));
    loop {
        platform.wait();
        is_shown = is_shown || view::message(display, problem).is_ok();
    }
}
