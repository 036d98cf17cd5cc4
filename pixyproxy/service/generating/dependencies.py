"""What everything that generates works with, and within which bounds."""

from dataclasses import dataclass

from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.data.repositories.images import ImageRepositoryInterface
from pixyproxy.service.generating.ends import Ends
from pixyproxy.service.generating.leasing import Leases
from pixyproxy.service.generating.watch import GenerationWatch
from pixyproxy.service.keeping.keeper import ImageKeeper
from pixyproxy.service.providers import ImageProvider


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The collaborators that submission, worker, recovery and their runs share."""

    repository: ImageRepositoryInterface
    generations: GenerationRepository
    keeper: ImageKeeper
    provider: ImageProvider
    leases: Leases
    ends: Ends
    watch: GenerationWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds that the settings give."""

    timeout_s: float
    """The deadline of a generation: of its call, with its download and with what is tried again."""
    max_concurrent: int
    """Calls to the model in flight, per process; twice as many callers may wait."""
    max_queued: int
    """Generations that may be queued in the database without anybody waiting for them."""
    lease_s: float
    """A process that has not renewed its lease for this many seconds counts as dead."""
