# SPDX-License-Identifier: Apache-2.0
"""The ament_python package; every `igrft/nodes/*_node.py` becomes an executable of its name."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'igrft'
WORKSPACE = Path('../..')


def shared(folder: str, pattern: str) -> list[tuple[str, list[str]]]:
    """The workspace's files below `folder`, to be installed in the same structure under share/."""
    found: dict[str, list[str]] = {}
    for path in sorted((WORKSPACE / folder).rglob(pattern)):
        if path.is_file():
            target = f'share/{PACKAGE}/{path.parent.relative_to(WORKSPACE)}'
            found.setdefault(target, []).append(str(path))
    return list(found.items())


setup(
    name=PACKAGE,
    version='0.1.0',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['py.typed', '**/*.safetensors', '**/*.json', '**/static/*', '**/static/**/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
        ('bin', ['bin/igrft']),
        *shared('launch', '*.launch.py'),
        *shared('config', '*.*'),
    ],
    python_requires='>=3.11',
    install_requires=[
        *('mcap', 'numpy', 'opencv-python-headless', 'psutil', 'pydantic', 'pyyaml', 'rich', 'rosbags', 'typer'),
        'zstandard',
    ],
    extras_require={
        'bench': ['matplotlib', 'scipy'],
        'browser': ['playwright'],
        'console': ['anyio', 'fastapi', 'tensorboard', 'uvicorn', 'websockets'],
        'devices': ['pyspacemouse', 'ruckig'],
        'flow': ['safetensors', 'torch', 'torchvision'],
        'lerobot': ['lerobot[pi,smolvla]>=0.6.1; python_version >= "3.12"'],
        'lora': ['peft'],
        'meshes': ['pycollada', 'trimesh'],
        'remote': ['starlette', 'websockets'],
        'rerun': ['rerun-sdk'],
        'train': ['huggingface_hub', 'safetensors', 'tensorboard', 'tokenizers', 'torch', 'transformers'],
        'test': ['hypothesis', 'pytest'],
    },
    zip_safe=False,
    maintainer='igrft maintainers',
    maintainer_email='maintainers@igrft.example',
    description='Interaction-guided reinforced fine-tuning of vision-language-action policies.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            f'{node.stem} = {PACKAGE}.nodes.{node.stem}:main'
            for node in sorted(Path(PACKAGE, 'nodes').glob('*_node.py'))
        ]
    },
)
