/* SPDX-License-Identifier: MIT */
/* The terminal. In: lines that only show. Out: bytes for it, control sequences among them; these are all in
 * this file. Always true: who entered leaves. */
#include "agent/offline/top_terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ENTER       "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE       "\033[0m\033[?25h\033[?1049l"
#define HOME        "\033[H"
#define CLEAR       "\033[0m\033[H\033[2J"
#define TO_LINE_END "\033[K"
#define PLAIN       "\033[0m"
#define NEXT_LINE   "\r\n"

#define SEQUENCES_MAX  32u /* bytes of control sequences for a line */
#define LEAVE_WAIT_MS  500
#define WIDTH_DEFAULT  80u
#define HEIGHT_DEFAULT 24u

/* Bold and reverse are no colours. */
static const char *const style_begin[2][LB_TOP_STYLES] = {
    { "", "\033[1m", "\033[7m", "\033[1m", "" },
    { "", "\033[1m", "\033[7m", "\033[1;31m", "\033[2m" },
};

int lb_top_terminal_open(struct lb_top_terminal *terminal)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    size_t lines = LB_TOP_TEXT_MAX + LB_TOP_LINES_MAX * SEQUENCES_MAX;

    memset(terminal, 0, sizeof *terminal);
    if (!isatty(STDOUT_FILENO) || !term || !term[0] || strcmp(term, "dumb") == 0)
        return -ENOTTY;
    terminal->frame_room = lines + sizeof CLEAR;
    terminal->frame = malloc(terminal->frame_room);
    if (!terminal->frame)
        return -ENOMEM;
    terminal->has_colours = !(no_color && no_color[0]);
    terminal->out_fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    terminal->is_own_fd = terminal->out_fd >= 0;
    if (!terminal->is_own_fd)
        terminal->out_fd = STDOUT_FILENO;
    terminal->in_fd = isatty(STDIN_FILENO) ? STDIN_FILENO : -1;
    return 0;
}

/* As much as it takes until a time is over; 0: only now. */
static bool write_for(struct lb_top_terminal *terminal, int wait_ms)
{
    struct pollfd ready = { .fd = terminal->out_fd, .events = POLLOUT };

    while (terminal->frame_sent < terminal->frame_len) {
        ssize_t n;

        if (!terminal->is_own_fd && poll(&ready, 1, wait_ms) <= 0)
            return true;
        n = write(terminal->out_fd, terminal->frame + terminal->frame_sent,
                  terminal->frame_len - terminal->frame_sent);
        if (n < 0 && errno == EAGAIN && (wait_ms == 0 || poll(&ready, 1, wait_ms) <= 0))
            return true;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        terminal->frame_sent += n > 0 ? (size_t)n : 0;
    }
    terminal->frame_sent = terminal->frame_len = 0;
    return true;
}

bool lb_top_terminal_write(struct lb_top_terminal *terminal)
{
    return write_for(terminal, 0);
}

static void add(struct lb_top_terminal *terminal, const char *text, size_t len)
{
    if (len > terminal->frame_room - terminal->frame_len)
        return;
    memcpy(terminal->frame + terminal->frame_len, text, len);
    terminal->frame_len += len;
}

void lb_top_terminal_enter(struct lb_top_terminal *terminal)
{
    struct termios keys;

    if (terminal->is_entered)
        return;
    terminal->has_settings = terminal->in_fd >= 0 && tcgetattr(terminal->in_fd, &terminal->before) == 0;
    if (terminal->has_settings) {
        keys = terminal->before;
        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        keys.c_cc[VMIN] = 1;
        keys.c_cc[VTIME] = 0;
        tcsetattr(terminal->in_fd, TCSANOW, &keys);
    }
    terminal->is_entered = true;
    terminal->frame_sent = terminal->frame_len = 0;
    add(terminal, ENTER, sizeof ENTER - 1);
    write_for(terminal, 0);
}

void lb_top_terminal_leave(struct lb_top_terminal *terminal)
{
    if (!terminal->is_entered)
        return;
    terminal->is_entered = false;
    /* A frame that was cut may have been cut within a sequence: CAN ends that. */
    if (terminal->frame_sent < terminal->frame_len)
        terminal->frame_len = terminal->frame_sent = 0;
    add(terminal, "\030" LEAVE, sizeof LEAVE);
    write_for(terminal, LEAVE_WAIT_MS);
    terminal->frame_sent = terminal->frame_len = 0;
    if (terminal->has_settings)
        tcsetattr(terminal->in_fd, TCSANOW, &terminal->before);
}

void lb_top_terminal_size(const struct lb_top_terminal *terminal, unsigned *ret_width, unsigned *ret_height)
{
    struct winsize size = { 0 };

    *ret_width = WIDTH_DEFAULT;
    *ret_height = HEIGHT_DEFAULT;
    if (ioctl(terminal->out_fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        return;
    *ret_width = size.ws_col;
    *ret_height = size.ws_row;
}

bool lb_top_terminal_show(struct lb_top_terminal *terminal, const struct lb_top_canvas *canvas, bool is_anew)
{
    if (lb_top_terminal_is_behind(terminal))
        return lb_top_terminal_write(terminal);
    add(terminal, is_anew ? CLEAR : HOME, strlen(is_anew ? CLEAR : HOME));
    for (unsigned i = 0; i < canvas->lines; i++) {
        const struct lb_top_line *line = &canvas->line[i];
        const char *begin = style_begin[terminal->has_colours][line->style];

        add(terminal, begin, strlen(begin));
        add(terminal, canvas->text + line->at, line->len);
        add(terminal, PLAIN, begin[0] ? sizeof PLAIN - 1 : 0);
        /* Where the line is full the cursor stands on its last character, which would go as well. */
        if (line->columns < canvas->width)
            add(terminal, TO_LINE_END, sizeof TO_LINE_END - 1);
        if (i + 1 < canvas->lines)
            add(terminal, NEXT_LINE, sizeof NEXT_LINE - 1);
    }
    return lb_top_terminal_write(terminal);
}

void lb_top_terminal_close(struct lb_top_terminal *terminal)
{
    if (terminal->is_own_fd)
        close(terminal->out_fd);
    free(terminal->frame);
    terminal->frame = NULL;
    terminal->is_own_fd = false;
}
