"""Writes the pictures of this folder anew."""

from pathlib import Path

from PIL import Image, ImageDraw

here = Path(__file__).parent
picture = Image.new("RGB", (64, 64))
for y in range(64):
    for x in range(64):
        picture.putpixel((x, y), (40 + 3 * x, 60 + 2 * y, (x * y) % 200))
draw = ImageDraw.Draw(picture)
draw.ellipse((10, 14, 50, 58), fill=(30, 160, 60))
draw.ellipse((18, 20, 26, 28), fill=(250, 250, 240))
picture.save(here / "progressive.jpg", quality=70, progressive=True, subsampling="4:2:0")
picture.save(here / "restart.jpg", quality=70, subsampling="4:2:0", restart_marker_blocks=2)
picture.convert("L").save(here / "grey-progressive.jpg", quality=70, progressive=True)
Image.new("CMYK", (32, 32), (255, 0, 0, 0)).save(here / "cmyk.jpg", quality=90)
