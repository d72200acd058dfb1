"""The `saewidgets` command: the demo without writing a line, an index of a corpus without a notebook, and pages of either.

Nothing heavy is imported until a subcommand needs it: `saewidgets --help` should not wait for torch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from . import __version__
from .demo.lab import open_lab
from .errors import SaewidgetsError
from .storage.places import file_place

if TYPE_CHECKING:
    from .engine.engine import Engine
    from .index.corpus.documents import Corpus

TEXT = "In the beginning, God created the heavens and the earth. On Monday it rained; on Tuesday it did not."
ORDERS = ("index", "density", "max", "mean", "label")
"""Those of an index; tested to be the same, for importing them would take the half second that --help has."""
# Of the features of a page: the first so many in this order.
_ORDER: Final = "density"
_FIRST = 20
_DTYPE = "float32"
_FAILED, _INTERRUPTED = 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    given, lab_options = _split(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    arguments = parser.parse_args(given)
    if wrong := _without_effect(arguments):
        parser.error(wrong)
    try:
        if arguments.command == "index":
            if lab_options:
                parser.error("index opens no JupyterLab that options after -- could go to")
            if arguments.cluster is not None and not arguments.bounded:
                parser.error("a cluster scans bounded, which makes another index: add --bounded")
            if arguments.cluster is None and (arguments.actors or arguments.gpus_per_actor is not None):
                parser.error("--actors and --gpus-per-actor are of --cluster: add it, such as --cluster auto")
            if arguments.shards is not None and not arguments.bounded:
                parser.error("--shards is where the parts of a bounded scan lie: add --bounded")
            make_index(arguments)
            return 0
        if arguments.command == "snapshot":
            if lab_options:
                parser.error("snapshot opens no JupyterLab that options after -- could go to")
            if arguments.index is None and arguments.text is None:
                parser.error("snapshot is of an index, INDEX OUT, or of a text: OUT --text TEXT")
            write_snapshot(arguments)
            return 0
        if arguments.html is None and (arguments.text is not None or arguments.features is not None):
            parser.error("--text and --features describe the page of --html: add --html OUT")
        if arguments.html is not None and lab_options:
            parser.error("--html opens no JupyterLab that options after -- could go to")
        if arguments.html is None:
            return open_lab(Path.cwd(), lab_options)
        write_page(arguments.html, TEXT if arguments.text is None else arguments.text, arguments.features or [])
    except (SaewidgetsError, OSError) as error:
        print(f"saewidgets: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _without_effect(arguments: argparse.Namespace) -> str | None:
    """What would be left out without a word: a page of another model than was named is worse than none."""
    if arguments.command == "demo":
        return None
    if arguments.sae_path is not None and (arguments.release or arguments.sae_id):
        return "--sae-path is an SAE on disk, --release and --sae-id a published one: give one of the two"
    if arguments.sae_path is None and arguments.release is None and (arguments.model or arguments.sae_id):
        given = "--model" if arguments.model else "--sae-id"
        return (
            f"{given} is of an SAE of yours: add --release and --sae-id, or --sae-path (without them it is the demo's)"
        )
    if arguments.command == "index" and arguments.features is not None and arguments.html is None:
        return "--features are those of the page of --html: add --html PAGE"
    return _of_the_other_page(arguments) if arguments.command == "snapshot" else None


def _of_the_other_page(arguments: argparse.Namespace) -> str | None:
    """Of the two pages of `snapshot`, what was given that only the other one can be told."""
    if arguments.text is None and arguments.index is not None:
        for name in ("model", "release", "sae_path", "device", "dtype", "sae_dtype"):
            if getattr(arguments, name) is not None:
                option = name.replace("_", "-")
                return f"--{option} is of a page of a text: add --text (features of an index need no model)"
    elif arguments.text is not None and (arguments.top is not None or arguments.by is not None):
        return "--top and --by choose features of an index: with --text choose them by --features"
    if arguments.by is not None and arguments.features is not None:
        return "--by is the order of those of --top: --features have their own"
    return None


def make_index(arguments: argparse.Namespace) -> None:
    """Build (or go on building) an index of corpus files, or of the demo's corpus."""
    from . import FeatureDashboard, build_index
    from .index.corpus.files import CorpusFiles

    # Before the model is loaded: half a minute is a long wait for a mistyped path.
    corpus = CorpusFiles(arguments.corpus) if arguments.corpus else None
    if arguments.html is not None:
        file_place(arguments.html)
    with _engine(arguments) as engine:
        for dictionary in engine.dictionaries.values():
            dictionary.check_features(arguments.features or ())
        index = build_index(
            engine,
            _demo_corpus(arguments) if corpus is None else corpus,
            arguments.out,
            tokens=arguments.tokens,
            text_column=arguments.text_column,
            context_size=arguments.context_size,
            keep_activations=not arguments.bounded,
            cluster=arguments.cluster,
            actors=arguments.actors,
            gpus_per_actor=arguments.gpus_per_actor,
            make_engine=None if arguments.cluster is None else partial(_engine, _anywhere(arguments)),
            shards=arguments.shards,
            wait=True,
        )
        print(index)
        if arguments.html is not None:
            FeatureDashboard(index=index).to_html(arguments.html, features=arguments.features)
            _say(arguments.html)


def _anywhere(arguments: argparse.Namespace) -> argparse.Namespace:
    """The same for a process that works in another folder."""
    path = arguments.sae_path
    return argparse.Namespace(**{**vars(arguments), "sae_path": path if path is None else path.absolute()})


def write_snapshot(arguments: argparse.Namespace) -> None:
    """Write a page (OUT.html), or a folder, of features of an index without a model, or of what fires on a text."""
    from . import FeatureDashboard, FeatureIndex, TokenFeatureHeatmap

    out, single = arguments.out, arguments.out.suffix.lower() == ".html"
    if single:
        file_place(out)
    elif not out.parent.is_dir():
        raise SaewidgetsError(f"There is no folder {out.parent}: make it first, or write somewhere else.")
    if not single and (arguments.text is not None or arguments.max_bytes is not None):
        raise SaewidgetsError(f"A folder is for features of an index, of any size: name a file such as {out}.html.")
    index = None if arguments.index is None else FeatureIndex.open(arguments.index)
    if arguments.text is None and index is not None:
        features = arguments.features or index.order(arguments.by or _ORDER)[: arguments.top or _FIRST].tolist()
        dashboard = FeatureDashboard(index=index)
        if single:
            dashboard.to_html(out, features=features, title=arguments.title, max_bytes=arguments.max_bytes)
        else:
            dashboard.to_folder(out, features=features, title=arguments.title)
        _say(out if single else out / "index.html")
        return
    with _engine(arguments) as engine:
        heatmap = TokenFeatureHeatmap(engine, text=arguments.text, index=index, features=arguments.features or ())
        heatmap.to_html(out, title=arguments.title, max_bytes=arguments.max_bytes)
    _say(out)


def _say(page: Path) -> None:
    print(f"{page} ({page.stat().st_size / 1000:,.0f} kB)")


def _engine(arguments: argparse.Namespace) -> Engine:
    from . import Engine, load_demo

    dtype = arguments.dtype or _DTYPE
    if arguments.release is None and arguments.sae_path is None:
        return load_demo(device=arguments.device, dtype=dtype, sae_dtype=arguments.sae_dtype)
    if arguments.sae_path is None:
        if arguments.sae_id is None:
            raise SaewidgetsError("--release names a set of SAEs: say which one with --sae-id.")
        return Engine.from_pretrained(
            arguments.model,
            release=arguments.release,
            sae_id=arguments.sae_id,
            device=arguments.device,
            dtype=dtype,
            sae_dtype=arguments.sae_dtype,
        )
    from .engine.model.loading import load_model, load_sae_folder

    sae = load_sae_folder(arguments.sae_path, arguments.device, arguments.sae_dtype or dtype)
    return Engine(load_model(arguments.model, sae, arguments.device, dtype), {arguments.sae_path.name: sae})


def _demo_corpus(arguments: argparse.Namespace) -> Corpus:
    from . import load_corpus

    if arguments.release is not None or arguments.sae_path is not None:
        raise SaewidgetsError("Which corpus? Name its files: saewidgets index OUT FILE ... (parquet, jsonl or text).")
    return cast("Corpus", load_corpus())


def write_page(out: Path, text: str, features: Sequence[int]) -> None:
    """Write the token heatmap of `text` on the demo SAE as one self-contained file."""
    # Before the model is loaded: half a minute is a long wait for a mistyped path.
    file_place(out)
    from . import TokenFeatureHeatmap, load_demo

    with load_demo() as engine:
        heatmap = TokenFeatureHeatmap(engine, text=text, features=features)
        heatmap.to_html(out)
    _say(out)


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our arguments, and those after "--". By hand: what argparse makes of "--" differs between Python versions."""
    end = argv.index("--") if "--" in argv else len(argv)
    return list(argv[:end]), list(argv[end + 1 :])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="saewidgets", description="Sparse autoencoder features beside your code.")
    parser.add_argument("--version", action="version", version=f"saewidgets {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    about = "a small model with a small SAE: opens the quickstart notebook in JupyterLab, or writes a page (--html)"
    more = "options after -- go to JupyterLab: saewidgets demo -- --no-browser --port 9000"
    demo = commands.add_parser("demo", help=about, description=about, epilog=more)
    demo.add_argument("--html", type=Path, metavar="OUT", help="write a token heatmap to this file; opens nothing")
    demo.add_argument("--text", help="the text of the page")
    demo.add_argument("--features", type=_features, metavar="N,N", help="features to colour by, e.g. 2717,3626")
    about = "scan a corpus once: statistics, examples and logit weights of every feature, for dashboards"
    more = "without --release or --sae-path: the demo's SAE, and without FILE its corpus. Interrupted, the same call goes on."
    index = commands.add_parser("index", help=about, description=about, epilog=more)
    index.add_argument("out", type=Path, metavar="OUT", help="folder of the index")
    index.add_argument(
        "corpus", nargs="*", default=[], metavar="FILE", help="parquet or jsonl (a row a document), or text files"
    )
    _add_engine(index)
    index.add_argument("--tokens", type=int, help="stop after so many tokens")
    index.add_argument("--text-column", help="column of the text; default: text")
    index.add_argument("--context-size", type=int, help="tokens of a chunk; default: what the SAE was trained with")
    bounded = (
        "keep no activations: disk and memory depend on the features, not on the tokens; some numbers are estimates"
    )
    index.add_argument("--bounded", action="store_true", help=bounded)
    where = 'with --bounded: scan on a Ray cluster; "auto", "local", or host:port of its head'
    index.add_argument("--cluster", metavar="ADDRESS", help=where)
    index.add_argument(
        "--actors", type=_positive, metavar="N", help="processes on the cluster; default: one a GPU, or machine"
    )
    index.add_argument("--gpus-per-actor", type=float, metavar="N", help="default: 1, if there are any")
    index.add_argument("--shards", metavar="PLACE", help="where the parts lie meanwhile: a shared folder, or s3://...")
    index.add_argument("--html", type=Path, metavar="PAGE", help="also write a dashboard page")
    index.add_argument("--features", type=_features, metavar="N,N", help="features of the page")
    about = "write a page that needs nothing: features of an index, without a model, or what fires on a text"
    more = "first INDEX and OUT, then the options. Without --release or --sae-path a text is read by the demo's SAE."
    snapshot = commands.add_parser("snapshot", help=about, description=about, epilog=more)
    snapshot.add_argument(
        "index", type=Path, nargs="?", metavar="INDEX", help="folder of an index; of a text: names, too"
    )
    snapshot.add_argument("out", type=Path, metavar="OUT", help="the file, *.html; else a folder, for many features")
    which = snapshot.add_mutually_exclusive_group()
    which.add_argument("--features", type=_features, metavar="N,N", help="these features; of a text: coloured by them")
    which.add_argument("--top", type=_positive, metavar="N", help=f"the first N features; default: {_FIRST}")
    snapshot.add_argument("--by", choices=ORDERS, help=f"in which order; default: {_ORDER}")
    snapshot.add_argument("--text", help="a token heatmap of this text instead")
    snapshot.add_argument("--title", help="of the page")
    snapshot.add_argument("--max-bytes", type=_positive, metavar="N", help="refuse to write a larger page")
    _add_engine(snapshot)
    return parser


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="the model; default: the one named in the SAE")
    parser.add_argument("--release", help="release of a published SAE, as in SAE.from_pretrained")
    parser.add_argument("--sae-id", help="its id in the release")
    parser.add_argument("--sae-path", type=Path, help="folder of an SAE saved with save_model")
    parser.add_argument("--device", help="default: cuda if there is one")
    parser.add_argument("--dtype", help=f"of model and SAE; default: {_DTYPE}")
    parser.add_argument("--sae-dtype", help="of the SAE, if it is another, such as float32 beside a model in bfloat16")


def _positive(given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is no number from 1 on")
    return int(given)


def _features(given: str) -> list[int]:
    try:
        return [int(part) for part in given.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{given!r} is no list of numbers like 2717,3626") from error


if __name__ == "__main__":
    sys.exit(main())
