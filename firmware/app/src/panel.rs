//! Colour panels: what a driver has to know about the panel behind a controller.
//!
//! One controller drives panels of many makers. They differ in how much of its memory they show and from where,
//! in the direction of scanning, and in the order of the colours. The [test card](crate::testcard) shows which of
//! these is wrong.

use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::prelude::Size;
use embedded_hal::digital::OutputPin;
use mipidsi::Builder;
use mipidsi::interface::{Interface, InterfacePixelFormat};
use mipidsi::models::Model;
use mipidsi::options::{ColorInversion, ColorOrder, Orientation, Rotation};

/// The controller of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// Sitronix ST7789: 240x320 pixels.
    St7789,
    /// Ilitek ILI9341: 240x320 pixels.
    Ili9341,
    /// Sitronix ST7735S: 132x162 pixels.
    St7735s,
}

/// A panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panel {
    /// Name, as in `board.toml`.
    pub name: &'static str,
    /// The controller of a panel.
    pub controller: Controller,
    /// Visible columns and rows, as the controller counts them: before any rotation.
    pub visible_size: (u16, u16),
    /// Column and row of the controller's memory that the first visible pixel shows.
    pub offset: (u16, u16),
    /// Rotation of pictures, and whether the panel is mirrored.
    pub orientation: Orientation,
    /// IPS panels show the inverse of what they are told, and have to be told to invert.
    pub inversion: ColorInversion,
    /// Which of red and blue comes first.
    pub order: ColorOrder,
}

/// Waveshare Pico-LCD-1.3: ST7789, 240x240, joystick on the left.
pub const PICO_LCD_1_3: Panel = Panel {
    name: "pico-lcd-1.3",
    controller: Controller::St7789,
    visible_size: (240, 240),
    offset: (0, 0),
    orientation: Orientation::new().rotate(Rotation::Deg90),
    inversion: ColorInversion::Inverted,
    order: ColorOrder::Rgb,
};

/// Pimoroni Pico Display: ST7789, 240x135, buttons left and right.
pub const PICO_DISPLAY: Panel =
    Panel { name: "pico-display", visible_size: (135, 240), offset: (52, 40), ..PICO_LCD_1_3 };

/// ILI9341 of the STM32F429 Discovery, 240x320, upright. Panels with this controller scan
/// their columns from the other side than its memory counts them.
pub const DISC1: Panel = Panel {
    name: "disc1",
    controller: Controller::Ili9341,
    visible_size: (240, 320),
    offset: (0, 0),
    orientation: Orientation::new().flip_vertical(),
    inversion: ColorInversion::Normal,
    order: ColorOrder::Bgr,
};

/// Adafruit's 2.8 inch shield for the Arduino header: ILI9341, lying, 320x240.
pub const SHIELD_2_8: Panel =
    Panel { name: "shield-2.8", orientation: Orientation::new().rotate(Rotation::Deg90).flip_vertical(), ..DISC1 };

/// The usual 1.8 inch module, with a green tab on its foil: ST7735S, 128x160, upright. With a black
/// tab it has no offset and the colours in the other order.
pub const MODULE_1_8: Panel = Panel {
    name: "module-1.8",
    controller: Controller::St7735s,
    visible_size: (128, 160),
    offset: (2, 1),
    orientation: Orientation::new(),
    inversion: ColorInversion::Normal,
    order: ColorOrder::Bgr,
};

/// All panels.
pub const ALL: [Panel; 5] = [PICO_LCD_1_3, PICO_DISPLAY, DISC1, SHIELD_2_8, MODULE_1_8];

impl Panel {
    /// Width and height of the display, after rotation.
    pub const fn size(&self) -> Size {
        let (width, height) = (self.visible_size.0 as u32, self.visible_size.1 as u32);
        if self.orientation.rotation.is_horizontal() { Size::new(width, height) } else { Size::new(height, width) }
    }

    /// Tells a driver about the panel: `PANEL.describe(Builder::new(ST7789, interface)).init(&mut delay)`.
    pub fn describe<DI, M, RST>(&self, driver: Builder<DI, M, RST>) -> Builder<DI, M, RST>
    where
        DI: Interface,
        M: Model<ColorFormat = Rgb565>,
        Rgb565: InterfacePixelFormat<DI::Word>,
        RST: OutputPin,
    {
        driver
            .display_size(self.visible_size.0, self.visible_size.1)
            .display_offset(self.offset.0, self.offset.1)
            .orientation(self.orientation)
            .invert_colors(self.inversion)
            .color_order(self.order)
    }
}
