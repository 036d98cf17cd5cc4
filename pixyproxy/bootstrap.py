"""The one place where everything is put together: settings become opened services."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from pixyproxy.core.exceptions import PixyProxyException
from pixyproxy.data.files.derivatives import DerivativeStore
from pixyproxy.data.files.places import make_store
from pixyproxy.data.files.store import ImageStore
from pixyproxy.data.init import open_database
from pixyproxy.data.repositories.curation import CurationRepository
from pixyproxy.data.repositories.generations import GenerationRepository
from pixyproxy.data.repositories.images import ImageRepository
from pixyproxy.data.repositories.secrets import get_secret
from pixyproxy.data.repositories.transfers import TransferRepository
from pixyproxy.data.repositories.trash import TrashRepository
from pixyproxy.data.search.blocks import SearchBlocks
from pixyproxy.service.checking.files import FileCheck
from pixyproxy.service.checking.fsck import Fsck
from pixyproxy.service.curating.batches import Batches
from pixyproxy.service.curating.curation import Curation
from pixyproxy.service.curating.housekeeping import Housekeeping
from pixyproxy.service.curating.trash import Trash
from pixyproxy.service.finding.cursors import Cursors
from pixyproxy.service.finding.finder import ImageFinder
from pixyproxy.service.finding.trash import TrashFinder
from pixyproxy.service.generating.dependencies import Limits
from pixyproxy.service.generating.engine import GenerationEngine
from pixyproxy.service.generating.generations import GenerationService
from pixyproxy.service.health import Health
from pixyproxy.service.keeping.fetcher import ImageFetcher
from pixyproxy.service.keeping.keeper import ImageKeeper
from pixyproxy.service.moving.exporting import Export
from pixyproxy.service.moving.importing import Importer
from pixyproxy.service.moving.importing_pictures import PictureImporter
from pixyproxy.service.moving.intake import Intake
from pixyproxy.service.moving.migration import ImageMigration
from pixyproxy.service.moving.targets import Target
from pixyproxy.service.providers import ModelList, make_provider
from pixyproxy.service.serving.derivatives import Derivatives
from pixyproxy.service.serving.originals import ImageReader
from pixyproxy.settings import Settings

logger = logging.getLogger(__name__)

BLOCK_DEADLINE_S = 20
"""A block is some 25,000 rows, in one transaction that nobody waits for."""
TRANSFER_S = 30.0
"""How long a batch of rows that is moved may take: nobody waits for it."""
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Services:
    """What the faces and the command line work with."""

    images: ImageReader
    finder: ImageFinder
    trash_finder: TrashFinder
    curation: Curation
    trash: Trash
    batches: Batches
    housekeeping: Housekeeping
    generations: GenerationService
    engine: GenerationEngine
    derivatives: Derivatives
    models: ModelList
    health: Health
    fsck: Fsck
    files: FileCheck
    make_migration: Callable[[ImageStore, ImageStore], ImageMigration]
    make_export: Callable[[Target], Export]
    importer: Importer
    picture_importer: PictureImporter


@asynccontextmanager
async def open_services(settings: Settings, *, must_exist: bool = False) -> AsyncIterator[Services]:
    """Open everything that `settings` name, and close it at the end, in the opposite order.

    An archive that is not there is made, unless it `must_exist`.
    """
    async with AsyncExitStack() as stack:
        database = open_database(
            settings.database_url,
            pool_size=settings.database_pool_size,
            min_free_mb=settings.min_free_mb,
            deadline_s=settings.database_timeout_s,
        )
        stack.push_async_callback(database.aclose)
        if must_exist:
            await database.check_exists()
        store = make_store(settings.images, min_free_mb=settings.min_free_mb)
        store.open()
        stack.callback(store.close)
        await database.migrate()
        async with database.open_context() as context:
            cursors = Cursors(await get_secret(context, "cursors"))
        repository = ImageRepository(database.open_context)
        blocks = SearchBlocks(partial(database.open_context, deadline_s=BLOCK_DEADLINE_S))
        options = settings.provider_options
        provider = make_provider(settings.generator_name, options)
        for warning in provider.models.warnings():
            logger.warning(warning)
        generations = GenerationRepository(database.open_context)
        engine = GenerationEngine(
            repository,
            generations,
            provider=provider,
            keeper=ImageKeeper(
                store,
                ImageFetcher(
                    base_url=options.base_url, api_key=options.api_key, allow=settings.fetch_allow
                ),
            ),
            limits=Limits(
                timeout_s=settings.generation_timeout_s,
                max_concurrent=settings.max_concurrent_generations,
                max_queued=settings.max_queued_generations,
                lease_s=settings.lease_s,
            ),
        )
        stack.push_async_callback(engine.aclose)
        transfers = TransferRepository(partial(database.open_context, deadline_s=TRANSFER_S))
        curations = CurationRepository(database.open_context, blocks)
        make_intake = partial(Intake, repository, transfers, curations, store=store)
        images = ImageReader(repository, store=store)
        stack.push_async_callback(images.aclose)
        engine.ends.call_after_commit(lambda end: images.remember_new(end.images or ()))
        derivatives = Derivatives(
            DerivativeStore(
                settings.variants,
                max_bytes=settings.variants_max_mb * MIB,
                min_free_mb=settings.min_free_mb,
            ),
            images.read_content,
            repository,
        )
        stack.push_async_callback(derivatives.aclose)

        async def forget(guid: str) -> None:
            images.forget(guid)
            await derivatives.remove(guid)

        curation = Curation(
            repository,
            curations,
            blocks,
            store=store,
            forget=forget,
            trash_days=settings.trash_days,
        )
        trashed = TrashRepository(database.open_context, curations, blocks)
        trash = Trash(repository, curations, trashed, curation=curation, forget=forget)
        housekeeping = Housekeeping(repository, blocks, curation, trash)
        stack.push_async_callback(housekeeping.aclose)
        yield Services(
            images=images,
            finder=ImageFinder(repository, cursors=cursors),
            trash_finder=TrashFinder(trashed, cursors=cursors),
            curation=curation,
            trash=trash,
            batches=Batches(curation, trash),
            housekeeping=housekeeping,
            generations=GenerationService(engine),
            engine=engine,
            derivatives=derivatives,
            models=provider.models,
            health=Health(
                {"database": database.check, "images": store.check_writable},
                {"generator": engine.circuit.check},
                {"model": provider.models.verdict},
            ),
            fsck=Fsck(
                repository,
                generations,
                store=store,
                recovery=engine.recovery,
                ends=engine.ends,
            ),
            files=FileCheck(repository, store=store),
            make_migration=lambda source, target: ImageMigration(
                repository, source=source, target=target
            ),
            make_export=partial(Export, repository, transfers, store),
            importer=Importer(transfers, make_intake=make_intake),
            picture_importer=PictureImporter(make_intake=make_intake),
        )


async def check_parts(settings: Settings) -> AsyncIterator[tuple[str, str | PixyProxyException]]:
    """Try each part by itself; yield its name, and what it says or what is wrong with it."""
    yield "database", await _outcome(_check_database(settings))
    yield "images", await _outcome(_check_store(settings))
    yield "model server", await _outcome(_check_provider(settings))


async def _outcome(checking: Awaitable[str]) -> str | PixyProxyException:
    try:
        return await checking
    except PixyProxyException as error:
        return error


async def _check_database(settings: Settings) -> str:
    database = open_database(
        settings.database_url,
        pool_size=1,
        min_free_mb=settings.min_free_mb,
        deadline_s=settings.database_timeout_s,
    )
    try:
        await database.migrate()
        await database.check()
    finally:
        await database.aclose()
    return settings.database_without_password


async def _check_store(settings: Settings) -> str:
    store = make_store(settings.images, min_free_mb=settings.min_free_mb)
    store.open()
    try:
        await store.check_writable()
    finally:
        store.close()
    return settings.images_place


async def _check_provider(settings: Settings) -> str:
    provider = make_provider(settings.generator_name, settings.provider_options)
    try:
        return await provider.check()
    finally:
        await provider.aclose()
