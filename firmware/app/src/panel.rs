//! Descriptions of colour panels, for the drivers of their controllers.
//!
//! One type of controller drives panels of many manufacturers. The panels differ in which part of the controller's
//! memory they show, in the direction of scanning, and in the colour order. The [test card](crate::testcard) shows which
//! field of a description is wrong.

use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::prelude::Size;
use embedded_hal::digital::OutputPin;
use mipidsi::Builder;
use mipidsi::interface::{Interface, InterfacePixelFormat};
use mipidsi::models::Model;
use mipidsi::options::{ColorInversion, ColorOrder, Orientation, Rotation};

/// A display controller, with the size of its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// Sitronix ST7789: 240x320 pixels.
    St7789,
    /// Ilitek ILI9341: 240x320 pixels.
    Ili9341,
    /// Sitronix ST7735S: 132x162 pixels.
    St7735s,
}

/// The description of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panel {
    /// Name, as in `board.toml`.
    pub name: &'static str,
    /// The controller.
    pub controller: Controller,
    /// Visible columns and rows, before rotation.
    pub visible_size: (u16, u16),
    /// Column and row in the controller's memory of the first visible pixel, before rotation.
    pub offset: (u16, u16),
    /// Rotation and mirroring of the pictures.
    pub orientation: Orientation,
    /// Whether the controller has to invert colours, as most IPS panels require.
    pub inversion: ColorInversion,
    /// Colour order of the subpixels: RGB or BGR.
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

/// Display of the STM32F429 Discovery: ILI9341, 240x320, portrait. Panels with this controller scan the columns from
/// the opposite side to that of its memory, hence the flip.
pub const DISC1: Panel = Panel {
    name: "disc1",
    controller: Controller::Ili9341,
    visible_size: (240, 320),
    offset: (0, 0),
    orientation: Orientation::new().flip_vertical(),
    inversion: ColorInversion::Normal,
    order: ColorOrder::Bgr,
};

/// Adafruit's 2.8 inch shield for the Arduino header: ILI9341, 320x240, landscape.
pub const SHIELD_2_8: Panel =
    Panel { name: "shield-2.8", orientation: Orientation::new().rotate(Rotation::Deg90).flip_vertical(), ..DISC1 };

/// The usual 1.8 inch module: ST7735S, 128x160, portrait. This is the version with a green tab on its protective foil;
/// the version with a black tab has no offset and the other colour order.
pub const MODULE_1_8: Panel = Panel {
    name: "module-1.8",
    controller: Controller::St7735s,
    visible_size: (128, 160),
    offset: (2, 1),
    orientation: Orientation::new(),
    inversion: ColorInversion::Normal,
    order: ColorOrder::Bgr,
};

/// Waveshare Pico-LCD-0.96 and the other 0.96 inch IPS modules with an ST7735S: 160x80, landscape. The visible pixels
/// are the middle of the controller's memory.
pub const PICO_LCD_0_96: Panel = Panel {
    name: "pico-lcd-0.96",
    controller: Controller::St7735s,
    visible_size: (80, 160),
    offset: (26, 1),
    orientation: Orientation::new().rotate(Rotation::Deg270),
    inversion: ColorInversion::Inverted,
    order: ColorOrder::Bgr,
};

/// All panels described here.
pub const ALL: [Panel; 6] = [PICO_LCD_1_3, PICO_DISPLAY, DISC1, SHIELD_2_8, MODULE_1_8, PICO_LCD_0_96];

impl Panel {
    /// Width and height of the display, after rotation.
    pub const fn size(&self) -> Size {
        let (width, height) = (self.visible_size.0 as u32, self.visible_size.1 as u32);
        if self.orientation.rotation.is_horizontal() { Size::new(width, height) } else { Size::new(height, width) }
    }

    /// Configures a driver for the panel: `PANEL.describe(Builder::new(ST7789, interface)).init(&mut delay)`.
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
