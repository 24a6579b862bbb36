//! The main loop of the product: shows the test card, checks the model, runs the app, and reports errors.

use core::fmt::Debug;
use core::hint::black_box;

use defmt::{Debug2Format, Display2Format, error, info, warn};
use embedded_graphics::draw_target::DrawTarget;
use firmware_app::app::{App, Event, Failed, Refused, StartError};
use firmware_app::class;
use firmware_app::platform::Platform;
use firmware_app::settings::{BadSetting, Settings};
use firmware_app::{testcard, view};
use gen_core::{Classes, FromRgb, Model};

use crate::stack;

/// Runs the app for ever.
///
/// `model` is the model file, and `workspace` has as many bytes as the model needs: `model::BLOB` and
/// `model::WORKSPACE_LEN` of the generated file. If the button is down at the start, the test card is shown until it is
/// released.
///
/// An invalid model, or a workspace or display that is too small, is reported in the log and on the display; no pictures
/// are drawn then. Display errors do not stop the app, because the display may be plugged in again.
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
    // The compiler knows the embedded model and would evaluate some checks of the parser at compile time.
    // `black_box` makes the program check the bytes that are in flash now.
    let model = black_box(model);
    info!("model {=usize} bytes, workspace {=usize} bytes", model.len(), workspace.len());
    let mut log = Log::new(Classes::default());
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
    log.classes = model.classes();
    let mut app = match App::new(model, workspace, display, platform, settings) {
        Ok(app) => app,
        Err(Refused { error, display, platform }) => stop(display, platform, error),
    };
    loop {
        let step = app.step();
        // Waits before a display that has failed is tried again.
        let is_idle = step.is_err();
        if !log.step(step, app.word()) || is_idle {
            app.platform().wait();
        }
    }
}

/// Logs the events of the app, and when the display fails or works again.
#[derive(Debug)]
pub struct Log<'m> {
    /// The classes of the model, whose names are logged.
    classes: Classes<'m>,
    /// Whether the display fails at present; that was logged once.
    fails: bool,
}

impl<'m> Log<'m> {
    /// A log for a model with these classes, which may be none.
    pub fn new(classes: Classes<'m>) -> Self {
        Self { classes, fails: false }
    }

    /// Logs the result of one step of the app, whose last command is `word`. Returns whether it contains an event.
    pub fn step<E: Debug>(&mut self, step: Result<Option<Event>, Failed<E>>, word: &str) -> bool {
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
        event.inspect(|event| write(event, self.classes, word)).is_some()
    }

    /// Logs a display error, unless the previous step has failed too.
    fn failed(&mut self, error: &impl Debug) {
        if !self.fails {
            error!("the display fails, check its wires: {}", Debug2Format(error));
            self.fails = true;
        }
    }
}

fn write(event: &Event, classes: Classes<'_>, word: &str) {
    match event {
        Event::Drawn { source, class, crc, us } => info!(
            "picture {} drawn{}, crc {=u32:08x}, {=u32} us, stack used {=usize} bytes",
            Display2Format(source),
            Display2Format(&class::note(classes, *class, None)),
            crc,
            us,
            stack::used()
        ),
        Event::Morph { from, to, classes: way, t, crc, us } => {
            let class = class::note(classes, way.map(|[from, _]| from), way.map(|[_, to]| to));
            info!(
                "picture {} on the way to {=u32}: {=u16}/256{}, crc {=u32:08x}, {=u32} us",
                Display2Format(from),
                to,
                t,
                Display2Format(&class),
                crc,
                us
            );
        }
        Event::Unknown => warn!("{=str} ignored: {}", word, Display2Format(&BadSetting)),
        // Without the word, which can have 256 digits.
        Event::BadLatent(e) => warn!("latent=... ignored: {}", Display2Format(e)),
        Event::UnknownClass => warn!("{=str} ignored: {}", word, Display2Format(&class::list(classes))),
    }
}

/// Logs the problem, shows it on the display as soon as that works, and never returns.
fn stop<D: DrawTarget<Color: FromRgb>>(display: &mut D, mut platform: impl Platform, problem: StartError) -> ! {
    let mut is_shown = view::message(display, problem).is_ok();
    error!("{}", Display2Format(&problem));
    loop {
        platform.wait();
        is_shown = is_shown || view::message(display, problem).is_ok();
    }
}
