# SPDX-License-Identifier: Apache-2.0
"""The ament_python package; every `igrft_sim/nodes/*_node.py` becomes an executable of its name."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'igrft_sim'

setup(
    name=PACKAGE,
    version='0.1.0',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['py.typed', 'models/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
    ],
    python_requires='>=3.11',
    install_requires=['daqp', 'igrft', 'mink', 'mujoco', 'numpy', 'pillow'],
    extras_require={'test': ['hypothesis', 'pytest']},
    zip_safe=False,
    maintainer='igrft maintainers',
    maintainer_email='maintainers@igrft.example',
    description='The simulated cell of igrft.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            f'{node.stem} = {PACKAGE}.nodes.{node.stem}:main'
            for node in sorted(Path(PACKAGE, 'nodes').glob('*_node.py'))
        ]
    },
)
