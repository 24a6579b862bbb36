//! The physical properties of the panels, from their manufacturers' pages and drivers. `firmware/app/src/panel.rs`
//! configures the drivers for the same panels; that both agree is what the tests on a display controller's model check.

use firmware_app::panel::{self, Panel};

use crate::controller::{Chip, PhysicalPanel};

/// The physical properties of a panel.
///
/// # Panics
/// For a panel that is not described here.
pub fn physical_panel(panel: &Panel) -> PhysicalPanel {
    match panel.name {
        // Waveshare's demo for it sends MADCTL 0x70, that is MX, MV (and ML), and inverts.
        "pico-lcd-1.3" => PhysicalPanel {
            chip: Chip::St7789,
            size: (240, 240),
            offset: (0, 0),
            mirrored: false,
            bgr: false,
            inverse: true,
            quarter_turns: 3,
        },
        // Pimoroni's driver: MADCTL 0x70, columns from 40, rows from 53, which MX counts from the end.
        "pico-display" => PhysicalPanel { size: (135, 240), offset: (52, 40), ..physical_panel(&panel::PICO_LCD_1_3) },
        // ILI9341 panels: Adafruit's driver has MADCTL 0x48 (MX, BGR) upright, and one of MX, MY, MV or
        // all three for the other ways to hold it: always an odd number, so the glass is mirrored.
        "disc1" => PhysicalPanel {
            chip: Chip::Ili9341,
            size: (240, 320),
            offset: (0, 0),
            mirrored: true,
            bgr: true,
            inverse: false,
            quarter_turns: 2,
        },
        "shield-2.8" => PhysicalPanel { quarter_turns: 3, ..physical_panel(&panel::DISC1) },
        // Adafruit's driver for ST7735 modules with a green tab: offset 2, 1, MADCTL 0xC8 (MX, MY, BGR) one
        // way up; an even number of turns, so not mirrored.
        "module-1.8" => PhysicalPanel {
            chip: Chip::St7735s,
            size: (128, 160),
            offset: (2, 1),
            mirrored: false,
            bgr: true,
            inverse: false,
            quarter_turns: 0,
        },
        // Waveshare's demo for Pico-LCD-0.96 sends MADCTL 0xA8, that is MY, MV and BGR, inverts, and adds 1 to columns and 26
        // to rows.
        "pico-lcd-0.96" => PhysicalPanel {
            chip: Chip::St7735s,
            size: (80, 160),
            offset: (26, 1),
            mirrored: false,
            bgr: true,
            inverse: true,
            quarter_turns: 1,
        },
        other => unreachable!("nobody has said what {other} is like"),
    }
}
