"""Fan-out/fan-in: count the words of all files in a folder, several files at a time.

Chunks bound how much is open at once, the custom status tells how far it is, and a file that
cannot be read does not spoil the result of the others: `texts/damaged.txt` is there to show it.
"""

from dataclasses import dataclass
from pathlib import Path

import azure_durable_py as df

bp = df.Blueprint()
HERE = Path(__file__).parent


@dataclass
class CountRequest:
    """Input: a folder inside this one, and how many files are counted at a time."""

    folder: str = "texts"
    chunk_size: int = 3


@bp.orchestration_trigger(context_name="context", input_type=CountRequest)
async def count_words(context: df.DurableOrchestrationContext) -> dict[str, object]:
    """Count the words of every text file in a folder."""
    request: CountRequest = context.get_input() or CountRequest()
    files = await context.call_activity(list_files, request.folder)
    words, failed = 0, []
    for start in range(0, len(files), request.chunk_size):
        chunk = files[start : start + request.chunk_size]
        # All activities of the chunk run at the same time ...
        tasks = [context.call_activity(count_words_of_file, file) for file in chunk]
        for file, task in zip(chunk, tasks, strict=True):
            # ... and each is awaited for itself, so that one failure is only its own.
            try:
                words += await task
            except df.TaskFailedError:
                failed.append(Path(file).name)
        context.set_custom_status({"done": start + len(chunk), "of": len(files)})
    return {"files": len(files) - len(failed), "words": words, "failed": failed}


@bp.activity_trigger(input_name="folder")
def list_files(folder: str) -> list[str]:
    """The text files of a folder. Sorted: what an orchestrator sees must not depend on chance."""
    path = (HERE / folder).resolve()
    # The input came over HTTP: it must not reach files outside the sample.
    if not path.is_relative_to(HERE) or not path.is_dir():
        raise ValueError(f"There is no folder {folder!r} in {HERE.name}.")
    return sorted(str(file.relative_to(HERE)) for file in path.glob("*.txt"))


@bp.activity_trigger(input_name="file")
def count_words_of_file(file: str) -> int:
    """The number of words in one file; fails if it is not UTF-8 text."""
    return len((HERE / file).read_text(encoding="utf-8").split())
