"""The seed project's artifacts: a CSV of labels and an `.npz` of features, row by row of the same photos.

`save` makes them from photos, `bring` takes them into the catalog, `give` writes the catalog as them;
`npz` is about the file of features.
"""

from service.artifacts.bring import import_features
from service.artifacts.give import export_features, labels_of_others
from service.artifacts.save import save_all_features, save_all_labels

__all__ = [
    "save_all_labels",
    "save_all_features",
    "import_features",
    "export_features",
    "labels_of_others",
]
