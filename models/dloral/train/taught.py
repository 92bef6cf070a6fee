"""What tasks that learn from a teacher's cache have in common."""

from dloral.data.taught import TaughtBatches
from dloral.errors import UserError
from dloral.teacher.cache import Cache
from dloral.train.base_config import BaseConfig
from dloral.train.dual.config import DualConfig
from dloral.train.task import Places


def open_cache(places: Places) -> Cache:
    """The cache that ``places.data`` names; raises :class:`UserError` where that is not one."""
    if len(places.data) != 1:
        raise UserError("--data of such a base is one folder, the teacher's cache: make it with dloral teach")
    return Cache.open(places.data[0])


def taught_batches(cache: Cache, config: BaseConfig | DualConfig, seed: int, processes: int) -> TaughtBatches:
    """Batches of the cache for all ``processes`` of a run."""
    return TaughtBatches(
        cache,
        config.degradation,
        config.batch,
        windows=config.windows,
        text_share=config.text_share,
        seed=seed,
        steps=config.optimizer.steps * processes,
    )
