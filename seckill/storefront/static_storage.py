"""Static files under names that change with their content, so that browsers may keep them for ever."""

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's; imports between our own JavaScript modules get the hashed names too."""

    support_js_module_import_aggregation = True

    def create_compressor(self, **options: Any) -> Compressor:  # noqa: ANN401 (WhiteNoise's)
        """Gzip only: where some package brings Brotli along, the admin's files would take a minute of computing."""
        return Compressor(**options, use_brotli=False)
