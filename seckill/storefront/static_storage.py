"""Static files with a content hash in their names, so that browsers may cache them forever."""

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, which also replaces imports between JavaScript modules by the hashed names."""

    support_js_module_import_aggregation = True

    def create_compressor(self, **options: Any) -> Compressor:  # noqa: ANN401 (WhiteNoise's signature)
        """Return a gzip-only compressor. If Brotli is installed, compressing the admin's files takes a minute."""
        return Compressor(**options, use_brotli=False)
