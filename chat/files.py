"""People's files, as Open WebUI keeps them where there is no vector store."""

from collections.abc import Iterable
from typing import Any

from fastapi import HTTPException
from sqlalchemy import Select, func, select


def install(main: Any, table: Any, vectors: Any, models: Any, *, max_files: int) -> None:
    """Bound what a message brings, and list and delete files without their contents.

    Args:
        main: Open WebUI's application, which puts a message together.
        table: its table of files.
        vectors: its client of a vector store, of which there is none.
        models: the module of the table.
        max_files: the number of files that a message may bring.
    """
    main.process_chat_payload = _bounded(main.process_chat_payload, max_files)
    columns = [column for column in models.File.__table__.columns if column.name != "data"]

    def owned(user_id: str | None) -> Select[Any]:
        query = select(*columns)
        return query.where(models.File.user_id == user_id) if user_id else query

    def page(query: Select[Any], skip: int, limit: int) -> Select[Any]:
        newest = (models.File.updated_at.desc(), models.File.id.desc())
        return query.order_by(*newest).offset(skip).limit(limit)

    def found(rows: Iterable[Any]) -> list[Any]:
        return [models.FileModelResponse(**row._mapping, data={}) for row in rows]

    async def get_file_list(
        user_id: str | None = None, skip: int = 0, limit: int = 50, db: Any = None
    ) -> Any:
        async with models.get_async_db_context(db) as session:
            count = select(func.count()).select_from(owned(user_id).subquery())
            total = (await session.execute(count)).scalar()
            rows = await session.execute(page(owned(user_id), skip, limit))
            return models.FileListResponse(items=found(rows), total=total)

    async def search_files(
        user_id: str | None = None,
        filename: str = "*",
        skip: int = 0,
        limit: int = 100,
        db: Any = None,
    ) -> list[Any]:
        pattern = table._glob_to_like_pattern(filename)
        query = owned(user_id).where(models.File.filename.ilike(pattern, escape="\\"))
        async with models.get_async_db_context(db) as session:
            return found(await session.execute(page(query, skip, limit)))

    table.get_file_list = get_file_list
    table.search_files = search_files
    # Deleting a file would fail when it has been deleted, for want of a vector store.
    vectors.delete = vectors.reset = _nothing


def _bounded(process: Any, most: int) -> Any:
    async def process_chat_payload(
        request: Any, form_data: Any, user: Any, metadata: dict[str, Any], model: Any
    ) -> Any:
        count = len(metadata.get("files") or [])
        if count > most:
            raise HTTPException(400, f"A message may bring {most} files, and this has {count}.")
        return await process(request, form_data, user, metadata, model)

    return process_chat_payload


async def _nothing(*_args: object, **_more: object) -> None:
    """There is nothing to delete."""
