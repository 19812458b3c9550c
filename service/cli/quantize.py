"""quantize: a bundle's network in int8, for this machine."""

from __future__ import annotations

from pathlib import Path

import click

from service.cli.arguments import source_options
from service.cli.output import json_option, note, print_json, progress_bar
from service.settings import load_settings
from service.storage import Location


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, file_okay=False))
@source_options("Photos such as you serve, as ingest takes them")
@json_option
def quantize(
    bundle: Path, sources: tuple[Location, ...], image_root: Location | None, as_json: bool
) -> None:
    """Make a bundle's int8 network, which FASHION_STUDIO_PRECISION=int8 then serves.

    Up to 300 photos, from all over the sources, decide its scales. The bundle stays as it is: the
    network goes into the data folder. Needs pip install 'fashion-studio[int8]'. Say with evaluate what
    it costs, and take a catalog in anew: its embeddings are a little different.
    """
    from service.decode import Limits
    from service.encoder import read_card
    from service.encoder.quantize import PICTURES, require_nncf
    from service.encoder.quantize import quantize as make
    from service.training.data import read_samples, some_of
    from service.training.pixels import load_pixels

    settings, card = load_settings(), read_card(bundle)
    require_nncf()
    samples = read_samples(sources, image_root=image_root)
    chosen = some_of(samples, PICTURES)
    with progress_bar("quantize") as advance:
        cache = settings.folder("training", "pictures")
        kept, pictures = load_pixels(chosen, card.input_size, Limits.of(settings), cache, advance)
    if len(kept) < len(chosen):
        note(f"{len(chosen) - len(kept)} photos cannot be read and are left out.")
    network = make(bundle, settings.folder("models"), list(pictures))
    if as_json:
        print_json({"network": str(network), "pictures": len(pictures)})
    else:
        note(f"{network}, of {len(pictures)} pictures; FASHION_STUDIO_PRECISION=int8 serves it.")
