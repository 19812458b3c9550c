"""How near is the service to the bare model and to bare SQL? `serving` measures it.

.venv/bin/python benchmarks/http.py [--garments 20000] [--seconds 10] [--rounds 3] [--plot FILE.png]
"""

import importlib.util
import sys
import sysconfig
from pathlib import Path

if __name__ == "__main__":
    from serving import main

    main()
else:  # a benchmark of this folder wants the standard library's `http`, which this file hides
    package = Path(sysconfig.get_path("stdlib")) / "http"
    spec = importlib.util.spec_from_file_location(
        "http", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[__name__] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[__name__])
