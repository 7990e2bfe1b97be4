/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_PYTHON_STDOUT_H
#define LB_CLI_PYTHON_STDOUT_H

#include <stddef.h>

/*
 * How a Python program below `logboom run` prints (python_stdout). Left alone,
 * Python fills 8 KiB before it writes to a pipe: lines come late, and with a
 * kill not at all. Measured with CPython 3.11, for print("value", i), and for
 * four processes that print 20,000 lines each into one pipe:
 *
 *                 writes a print   CPU a print   torn lines of 80,000
 *     keep        1/700            0.4 us            86   at the buffers' ends
 *     unbuffered  4                3.8 us        59,229   each word is a write
 *     line        1                1.6 us             0
 *
 * So `line` is the default: a line is written when it is complete, whole up to
 * what a pipe takes in one piece (4096 bytes), at less than half the price. It
 * needs a module in front of PYTHONPATH (agent/cli/python); where that is
 * not installed, `unbuffered` is what is left: late lines are lost lines.
 */
enum lb_python_stdout {
    LB_PYTHON_KEEP = 0,   /* as Python does */
    LB_PYTHON_UNBUFFERED, /* PYTHONUNBUFFERED=1 */
    LB_PYTHON_LINE,       /* flushed at each line's end */
    LB_PYTHON_COUNT
};

/*
 * What the agent's `clients` file says of a service: lines "python_stdout VALUE"
 * for all, "python_stdout VALUE SERVICE" for one, the last of a kind wins.
 * Whatever else stands there is passed over.
 *   text     len bytes, any content
 *   service  "": only the default counts
 *   returns  the value; LB_PYTHON_LINE where nothing is said
 *   calls    a pure function
 */
enum lb_python_stdout lb_python_stdout_choose(const char *text, size_t len, const char *service);

/*
 * Set the environment that the command inherits so that Python prints as
 * configured. PYTHONUNBUFFERED that is set already, even if empty, is somebody's
 * word: then nothing is changed.
 *   service  as given by -s, or NULL: our systemd unit, else the program
 *   program  what will be executed
 *   calls    the program's one thread, before the command is started; never fails: what cannot be set is kept
 */
void lb_python_stdout_prepare(const char *service, const char *program);

#endif
