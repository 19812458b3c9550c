"""What a garment is: the attributes that a picture of it must show."""

from dataclasses import asdict, dataclass

CATEGORIES = (
    "Blazer",
    "Cardigan",
    "Hoodie",
    "Jacket",
    "Sweater",
    "Tank",
    "Tee",
    "Top",
    "Dress",
    "Jumpsuit",
    "Romper",
)


@dataclass(frozen=True)
class GarmentSpec:
    """One garment; every field is a str, int or float, so `to_dict` is JSON-able.

    category: one of CATEGORIES.
    neckline: crew, v, scoop, boat, square, sweetheart, turtle or straight.
    collar: none, rib, notch, peak, shawl, shirt, stand, biker or hood.
    sleeve: none, cap, short, elbow or long.
    sleeve_shape: set, raglan, puff, bell or flutter.
    strap: none, muscle, wide, racer, thin or off (off-shoulder).
    length: crop, regular, long or extra; for dresses mini, knee, midi or maxi.
    fit: slim, regular or loose.
    flare: widening of skirt, peplum or trouser leg, 0 (straight) to 1.
    family, colour, second: colour family, its '#rrggbb', and the partner colour.
    pattern: solid, stripes, pinstripe, bars, plaid, gingham, dots, floral, block, melange,
        graphic, gradient, fairisle, argyle, chevron, camo or leopard.
    pattern_scale: size of the pattern's repeat, 1 is ordinary.
    material: cotton, knit, cable, rib, wool, tweed, velvet, linen, silk, denim, leather,
        puffer, nylon or fleece.
    fastening: none, single, double, zip, halfzip, placket, open or wrap.
    buttons: number of visible buttons.
    pocket: none, flap, welt, patch, kangaroo, chest or zip.
    waist: none, seam, elastic, belt, peplum or empire.
    legs: none, long or short.
    hem: plain, rib, ruffle or curved.
    motif: seed of the print's or pattern's layout.
    """

    category: str
    neckline: str
    collar: str
    sleeve: str
    sleeve_shape: str
    strap: str
    length: str
    fit: str
    flare: float
    family: str
    colour: str
    second: str
    pattern: str
    pattern_scale: float
    material: str
    fastening: str
    buttons: int
    pocket: str
    waist: str
    legs: str
    hem: str
    motif: int

    def to_dict(self) -> dict[str, str | int | float]:
        """The attributes by name."""
        return asdict(self)
