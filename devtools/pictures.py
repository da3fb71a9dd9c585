"""``python -m devtools.pictures``: generate the demo's pictures in ``seckill/management/demo``."""

from pathlib import Path

from PIL import Image, ImageDraw

DIRECTORY = Path(__file__).parent.parent / "seckill" / "management" / "demo"

Colour = tuple[int, int, int]

PRODUCT_SIZE = (800, 800)
BANNER_SIZE = (1280, 480)
SCALE = 2  # supersampling factor, for smooth edges

COPPER = ((240, 190, 150), (176, 84, 42), (112, 48, 28))
WALNUT = ((250, 226, 170), (230, 190, 120), (92, 58, 40))
LEAF = ((222, 231, 214), (120, 150, 110), (38, 64, 52))


def kettle_picture() -> Image.Image:
    """Draw a copper kettle on a warm background."""
    picture = _ground(PRODUCT_SIZE, (247, 236, 226), (232, 205, 184))
    _kettle(ImageDraw.Draw(picture, "RGBA"), 400, 430, 1.0)
    return _shrunk(picture)


def lamp_picture() -> Image.Image:
    """Draw a night lamp in a dark room."""
    picture = _ground(PRODUCT_SIZE, (52, 74, 92), (20, 30, 48))
    _lamp(ImageDraw.Draw(picture, "RGBA"), 400, 430, 1.0)
    return _shrunk(picture)


def kettle_banner() -> Image.Image:
    """Draw three kettles in the right half, beside the banner's text."""
    picture = _ground(BANNER_SIZE, (206, 124, 78), (104, 44, 30))
    draw = ImageDraw.Draw(picture, "RGBA")
    for x, size in ((660, 0.34), (850, 0.42), (1080, 0.5)):
        _kettle(draw, x, 270, size)
    return _shrunk(picture)


def lamp_banner() -> Image.Image:
    """Draw one lamp in the right half."""
    picture = _ground(BANNER_SIZE, (62, 88, 108), (16, 24, 42))
    _lamp(ImageDraw.Draw(picture, "RGBA"), 1000, 250, 0.58)
    return _shrunk(picture)


def line_banner() -> Image.Image:
    """Draw a line of seven people in the right half."""
    light, middle, dark = LEAF
    picture = _ground(BANNER_SIZE, middle, dark)
    draw = ImageDraw.Draw(picture, "RGBA")
    for index in range(7):
        x, shade = 640 + index * 88, 90 + index * 24
        _disc(draw, x, 236, 26, (*light, shade))
        _rounded(draw, (x - 34, 270, x + 34, 400), 34, (*light, shade))
    return _shrunk(picture)


def _kettle(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    light, middle, dark = COPPER

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [((x + dx * size) * SCALE, (y + dy * size) * SCALE) for dx, dy in points]

    draw.ellipse(at((-230, 178), (230, 226)), fill=(0, 0, 0, 40))
    draw.arc(at((-150, -250), (150, 90)), 180, 360, fill=dark, width=int(26 * size * SCALE))
    draw.polygon(at((140, 0), (292, -62), (322, -40), (180, 120)), fill=middle)
    draw.ellipse(at((-205, -95), (205, 215)), fill=middle)
    draw.chord(at((-205, -95), (205, 215)), 55, 235, fill=(*dark, 60))
    draw.ellipse(at((-120, -50), (-20, 80)), fill=(*light, 120))
    draw.ellipse(at((-96, -112), (96, -62)), fill=dark)
    draw.ellipse(at((-22, -146), (22, -102)), fill=light)


def _lamp(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    light, middle, dark = WALNUT

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [((x + dx * size) * SCALE, (y + dy * size) * SCALE) for dx, dy in points]

    for step in range(12):
        reach = 420 - step * 24
        draw.ellipse(at((-reach, -reach - 60), (reach, reach - 60)), fill=(*light, 7))
    draw.ellipse(at((-150, 236), (150, 272)), fill=(0, 0, 0, 60))
    draw.rectangle(at((-11, 20), (11, 240)), fill=dark)
    draw.ellipse(at((-118, 214), (118, 258)), fill=dark)
    draw.polygon(at((-108, -210), (108, -210), (190, 40), (-190, 40)), fill=middle)
    draw.polygon(at((-108, -210), (-30, -210), (-70, 40), (-190, 40)), fill=(*light, 130))
    draw.ellipse(at((-190, 18), (190, 62)), fill=light)


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: tuple[int, int, int, int]) -> None:
    corners = ((x - radius) * SCALE, (y - radius) * SCALE, (x + radius) * SCALE, (y + radius) * SCALE)
    draw.ellipse(corners, fill=fill)


def _rounded(
    draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], radius: float, fill: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = (edge * SCALE for edge in box)
    draw.rounded_rectangle((left, top, right, bottom), radius * SCALE, fill=fill)


def _ground(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    """Return a vertical gradient of `SCALE` times the size."""
    large = (size[0] * SCALE, size[1] * SCALE)
    ramp = Image.linear_gradient("L").resize(large)
    return Image.composite(Image.new("RGB", large, bottom), Image.new("RGB", large, top), ramp)


def _shrunk(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // SCALE, picture.height // SCALE), Image.Resampling.LANCZOS)


def main() -> None:
    """Draw and save all pictures."""
    pictures = {
        "kettle": kettle_picture(),
        "lamp": lamp_picture(),
        "kettle-banner": kettle_banner(),
        "lamp-banner": lamp_banner(),
        "line-banner": line_banner(),
    }
    for name, picture in pictures.items():
        picture.save(DIRECTORY / f"{name}.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()
