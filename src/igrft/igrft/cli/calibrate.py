# SPDX-License-Identifier: Apache-2.0
"""`igrft calibrate`: a board to print, a camera's intrinsics, where it is mounted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.markup import escape

from igrft.episodes.schema import EpisodeError, write_atomically
from igrft.episodes.views import TakenView, read_bag, read_folder, tool_from_joints
from igrft.perception.board import KINDS, Board, BoardConfig, Sighting
from igrft.perception.calibration import CalibrationError, Extrinsics, read_calibration
from igrft.perception.hand_eye import Mount, View, calibrate_hand_eye
from igrft.perception.intrinsics import calibrate_intrinsics
from igrft.perception.urdf import Urdf, UrdfError

app = typer.Typer(no_args_is_help=True, help="A board to print, a camera's intrinsics, and where it is mounted.")
out = Console()
err = Console(stderr=True)

EXPECTED = (CalibrationError, EpisodeError, UrdfError, OSError)
INCH = 0.0254

Kind = Annotated[str, typer.Option(help=f'of board: {", ".join(KINDS)}')]
Columns = Annotated[int, typer.Option(help='squares (charuco) or tags (april) along its longer side')]
Rows = Annotated[int, typer.Option(help='squares or tags along its shorter side')]
Square = Annotated[float, typer.Option(help='[m] side of a square, or from tag to tag; as measured on the print')]
Marker = Annotated[float, typer.Option(help='[m] side of the black of a marker')]
Dictionary = Annotated[str, typer.Option(help='of markers, e.g. 5X5_100 or APRILTAG_36h11; the usual one by default')]
Source = Annotated[Path, typer.Argument(help='folder of images, or a bag (MCAP)', exists=True, file_okay=False)]
Topic = Annotated[str, typer.Option(help='image topic of a bag, with its namespace')]
Out = Annotated[Path, typer.Option('--out', '-o', help='YAML file to write')]


@app.command()
def board(
    path: Annotated[Path, typer.Argument(help='image to write, e.g. board.png')],
    kind: Kind = 'charuco',
    columns: Columns = 7,
    rows: Rows = 5,
    square: Square = 0.04,
    marker: Marker = 0.03,
    dictionary: Dictionary = '',
    dpi: Annotated[float, typer.Option(min=50, max=2400, help='dots per inch of the print')] = 300.0,
) -> None:
    """Draw a board. Print it at 100 %, glue it to something flat, and measure a square."""
    try:
        found = Board(_config(kind, columns, rows, square, marker, dictionary))
        image = found.draw(dpi / INCH, margin=square / 2)
        suffix = path.suffix or '.png'
        if not cv2.haveImageWriter(f'x{suffix}'):
            raise CalibrationError(f"{path}: OpenCV writes no '{suffix}'; name it .png")
        write_atomically(path, cv2.imencode(suffix, image)[1].tobytes())
    except EXPECTED as error:
        raise _fail(error) from error
    width, height = found.size
    out.print(
        f'{path}: {width * 1e3:.0f} x {height * 1e3:.0f} mm at {dpi:g} dpi, without its white margin', soft_wrap=True
    )


@app.command()
def intrinsics(
    source: Source,
    out_file: Out,
    topic: Topic = '/camera/front/image_raw',
    camera: Annotated[str, typer.Option(help='name to write into the file')] = 'front',
    kind: Kind = 'charuco',
    columns: Columns = 7,
    rows: Rows = 5,
    square: Square = 0.04,
    marker: Marker = 0.03,
    dictionary: Dictionary = '',
) -> None:
    """Camera matrix and distortion, as a camera_info file."""
    try:
        found = Board(_config(kind, columns, rows, square, marker, dictionary))
        sightings, size, looked = [], (0, 0), 0
        for view in _views(source, topic):
            looked += 1
            shape = (view.image.shape[1], view.image.shape[0])
            if size not in ((0, 0), shape):
                raise CalibrationError(f'{view.name} is {shape[0]}x{shape[1]}, those before are {size[0]}x{size[1]}')
            size = shape
            sightings += _seen(found, view)
        result = calibrate_intrinsics(sightings, *size)
        note = _note(source, len(sightings), result.error)
        write_atomically(out_file, result.calibration.yaml(camera, note).encode())
    except EXPECTED as error:
        raise _fail(error) from error
    _tell_views(result.view_errors, looked)
    k, s = result.calibration.k, result.spread
    out.print(
        f'fx {k[0]:.2f} ± {s[0]:.2f}  fy {k[4]:.2f} ± {s[1]:.2f}  '
        f'cx {k[2]:.2f} ± {s[2]:.2f}  cy {k[5]:.2f} ± {s[3]:.2f} px'
    )
    out.print(
        f'reprojection error {result.error:.3f} px RMS over {len(sightings)} views → {escape(str(out_file))}',
        soft_wrap=True,
    )


@app.command()
def extrinsics(
    source: Source,
    out_file: Out,
    intrinsics_file: Annotated[Path, typer.Option('--intrinsics', help='camera_info file of this camera')],
    mount: Annotated[
        Mount,
        typer.Option(
            help='base: the camera stands beside the robot, the board is in the hand; '
            'hand: the camera is in the hand, the board lies fixed'
        ),
    ] = Mount.BASE,
    topic: Topic = '/camera/front/image_raw',
    pose_topic: Annotated[str, typer.Option(help='PoseStamped of the tool, or JointState with --urdf')] = '/ee_pose',
    urdf: Annotated[str, typer.Option(help='robot description, where joints are given instead of poses')] = '',
    base: Annotated[str, typer.Option(help="frame of the robot's base")] = 'base_link',
    tool: Annotated[str, typer.Option(help='frame of the tool')] = 'tool0',
    child: Annotated[str, typer.Option(help="the camera's optical frame")] = 'front_optical',
    kind: Kind = 'charuco',
    columns: Columns = 7,
    rows: Rows = 5,
    square: Square = 0.04,
    marker: Marker = 0.03,
    dictionary: Dictionary = '',
) -> None:
    """Where a camera is mounted: hand-eye (--mount hand) or robot-world (--mount base) calibration."""
    try:
        found = Board(_config(kind, columns, rows, square, marker, dictionary))
        calibration = read_calibration(intrinsics_file)
        of_joints = tool_from_joints(Urdf.read(urdf), tool) if urdf else None
        views, looked = [], 0
        for taken in _views(source, topic, pose_topic, of_joints):
            looked += 1
            if taken.base_from_tool is None:
                raise CalibrationError(f'{taken.name}: no tool pose; write one for each image into views.yaml')
            calibration = calibration.scaled(taken.image.shape[1], taken.image.shape[0])
            views += [View(sighting, taken.base_from_tool) for sighting in _seen(found, taken)]
        result = calibrate_hand_eye(views, calibration, mount)
        parent = base if mount is Mount.BASE else tool
        note = _note(source, len(views), result.error)
        write_atomically(out_file, Extrinsics(parent, child, result.camera).yaml(note).encode())
    except EXPECTED as error:
        raise _fail(error) from error
    _tell_views(result.view_errors, looked)
    x, y, z = result.camera[:3, 3]
    out.print(f'{child} in {parent}: {x:.4f} {y:.4f} {z:.4f} m '
              f'± {result.spread[0] * 1e3:.2f} mm, ± {np.degrees(result.spread[1]):.3f} deg')  # fmt: skip
    out.print(
        f'reprojection error {result.error:.3f} px RMS over {len(views)} views → {escape(str(out_file))}',
        soft_wrap=True,
    )


def _config(kind: str, columns: int, rows: int, square: float, marker: float, dictionary: str) -> BoardConfig:
    return BoardConfig(kind=kind, columns=columns, rows=rows, square=square, marker=marker, dictionary=dictionary)


def _views(source: Path, topic: str, pose_topic: str = '', of_joints=None) -> Iterator[TakenView]:  # type: ignore[no-untyped-def]
    if (source / 'metadata.yaml').is_file():
        return read_bag(source, topic, pose_topic, of_joints)
    return read_folder(source, of_joints)


def _seen(found: Board, view: TakenView) -> list[Sighting]:
    sighting = found.find(view.image, view.name)
    return [] if sighting is None else [sighting]


def _note(source: Path, views: int, error: float) -> str:
    when = datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')
    return f'igrft calibrate, {when}: {views} views of {source.name}, reprojection error {error:.3f} px RMS'


def _tell_views(errors: dict[str, float], looked: int) -> None:
    for name, error in errors.items():
        out.print(f'  {escape(name)}: {error:.3f} px', highlight=False, soft_wrap=True)
    if looked > len(errors):
        out.print(f'  {looked - len(errors)} of {looked} images show too little of the board', highlight=False)


def _fail(error: Exception) -> typer.Exit:
    err.print(f'[red]error:[/] {escape(str(error))}', soft_wrap=True)
    return typer.Exit(1)
