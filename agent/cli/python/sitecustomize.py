# SPDX-License-Identifier: MIT
"""Line by line to standard output, for a Python program below `logboom run` (python_stdout = line).

Python imports the first module of this name that sys.path has, at start, from site.py. The client put this
directory in front of PYTHONPATH. In: sys.stdout and sys.stderr as Python made them. Out: the same, flushed at the
end of each line where they are no terminal. Then this module gives way to the next sitecustomize (the app's own, the
distribution's) as if it had never been there: that one is imported once, under its name, and what it raises reaches
site.py, which tells it. PYTHONPATH in the environment stays, because children of the app shall print line by line too.

For whichever Python a child may be, the words here are understood by 2.7 as well; what is older than 3.7 has no
reconfigure() and is left alone. -I, -E and -S keep Python from coming here.
"""
import os
import sys


def flush_lines(stream):
    # What is written through (-u, PYTHONUNBUFFERED) is so by somebody's word.
    if hasattr(stream, "reconfigure") and not stream.write_through and not stream.isatty():
        stream.reconfigure(line_buffering=True)


def leave():
    here = os.path.dirname(__file__)
    sys.path[:] = [entry for entry in sys.path if entry != here]
    sys.path_importer_cache.pop(here, None)
    del sys.modules[__name__]


flush_lines(sys.stdout)
flush_lines(sys.stderr)
leave()
import sitecustomize  # noqa: E402,F401  (the next one; where there is none, site.py expects this ImportError)
