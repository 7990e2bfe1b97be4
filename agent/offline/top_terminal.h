/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_TERMINAL_H
#define LB_OFFLINE_TOP_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "agent/offline/top_canvas.h"

/*
 * The terminal, by escape sequences that every one of them has known for
 * thirty years. Between lb_top_terminal_enter() and lb_top_terminal_leave() it
 * shows another screen, has no cursor, and gives keys as they are typed.
 *
 * Writing does not wait: what the terminal does not take now is kept, and until
 * it has gone no other frame is begun. So a terminal that is stopped
 * (control-s), or a slow line, does not keep us from hearing a signal.
 */
struct lb_top_terminal {
    int out_fd; /* a description of our own where that can be had: the shell's stays blocking */
    int in_fd;  /* -1: there are no keys */
    bool is_own_fd, is_entered, has_settings;
    bool has_colours;
    struct termios before;
    char *frame; /* what is not written yet: from frame_sent on */
    size_t frame_len, frame_sent, frame_room;
};

/*
 * Look whether stdout is a terminal, and get hold of it.
 *   returns   0 | -ENOTTY stdout is none, or one that knows no sequences (TERM=dumb) | -ENOMEM
 *   calls     one thread, as all here
 */
int lb_top_terminal_open(struct lb_top_terminal *terminal);

/*
 * Change to the other screen, or back. Both may be called twice. Leaving waits
 * for half a second at most for the terminal to take it.
 */
void lb_top_terminal_enter(struct lb_top_terminal *terminal);
void lb_top_terminal_leave(struct lb_top_terminal *terminal);

/*
 * Its size; 80 x 24 where it does not tell.
 */
void lb_top_terminal_size(const struct lb_top_terminal *terminal, unsigned *ret_width, unsigned *ret_height);

/*
 * Show a screen. One that is still being written is finished first, and this one is given up.
 *   is_anew   nothing of what is there may stay (another size)
 *   returns   false: the terminal is gone
 */
bool lb_top_terminal_show(struct lb_top_terminal *terminal, const struct lb_top_canvas *canvas, bool is_anew);

/*
 * Write on, when the terminal takes more.
 *   returns   false: the terminal is gone
 */
bool lb_top_terminal_write(struct lb_top_terminal *terminal);

/*
 * Is there something that waits to be written?
 */
static inline bool lb_top_terminal_is_behind(const struct lb_top_terminal *terminal)
{
    return terminal->frame_sent < terminal->frame_len;
}

/*
 * Let go of it; the screen was left.
 */
void lb_top_terminal_close(struct lb_top_terminal *terminal);

#endif
