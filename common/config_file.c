/* SPDX-License-Identifier: MIT */
/*
 * One INI file into settings, and the list of faults. In: a path. Out: its
 * lines as (section, key, value, line), and a fault for each line that cannot
 * be read. Always true: a fault never repeats a value.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_load.h"
#include "common/ini_read.h"
#include "common/read_file.h"

#define FAULT_TEXT_MAX 1024

__attribute__((format(printf, 3, 0))) static char *fault_text(const struct lb_origin *at, const char *label,
                                                              const char *format, va_list args)
{
    char text[FAULT_TEXT_MAX], line[16] = "";
    int used;

    if (at->line > 0)
        snprintf(line, sizeof line, "%d:", at->line);
    used = snprintf(text, sizeof text, "%.512s:%s %s", at->file, line, label);
    vsnprintf(text + used, sizeof text - (size_t)used, format, args);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return strdup(text);
}

/* What finds no room, or no memory, is still counted: a fault must not be lost. */
void lb_config_fault(struct lb_config_faults *faults, const struct lb_origin *at, const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (faults->count < LB_CONFIG_FAULTS_MAX)
        text = fault_text(at, "", format, args);
    va_end(args);
    if (text)
        faults->text[faults->count++] = text;
    else
        faults->more++;
}

void lb_config_warn(struct lb_config_faults *faults, const struct lb_origin *at, const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (faults->warning_count < LB_CONFIG_FAULTS_MAX)
        text = fault_text(at, "warning: ", format, args);
    va_end(args);
    if (text)
        faults->warnings[faults->warning_count++] = text;
}

void lb_config_faults_free(struct lb_config_faults *faults)
{
    for (size_t i = 0; i < faults->count; i++)
        free(faults->text[i]);
    for (size_t i = 0; i < faults->warning_count; i++)
        free(faults->warnings[i]);
    *faults = (struct lb_config_faults) { 0 };
}

struct reading {
    struct lb_config_file *file;
    struct lb_config_faults *faults;
    size_t room;
};

static void note_fault(void *arg, int line, const char *text)
{
    struct reading *reading = arg;
    struct lb_origin at = { reading->file->path, line };

    reading->file->is_broken = true;
    lb_config_fault(reading->faults, &at, "syntax: %s", text);
}

static int note_line(void *arg, const struct lb_ini_line *line)
{
    struct reading *reading = arg;
    struct lb_config_file *file = reading->file;
    struct lb_setting *setting;

    if (line->is_in_doubt)
        return 0; /* its section line is a fault already: whatever is said of this key would mislead */
    if (file->count == reading->room) {
        size_t room = reading->room ? 2 * reading->room : 64;
        struct lb_setting *more = reallocarray(file->settings, room, sizeof *more);

        if (!more)
            return -ENOMEM;
        file->settings = more;
        reading->room = room;
    }
    setting = &file->settings[file->count++];
    *setting = (struct lb_setting) {
        .section = strdup(line->section),
        .key = line->key ? strdup(line->key) : NULL,
        .value = line->key ? strdup(line->value) : NULL,
        .line = line->line,
    };
    return setting->section && (!line->key || (setting->key && setting->value)) ? 0 : -ENOMEM;
}

int lb_config_file_read(const char *path, struct lb_config_file *file, struct lb_config_faults *faults)
{
    struct reading reading = { .file = file, .faults = faults };
    struct lb_origin whole = { path, 0 };
    char *text = malloc(LB_CONFIG_FILE_MAX);
    size_t len = 0;
    int rc;

    *file = (struct lb_config_file) { .path = path };
    if (!text)
        return -ENOMEM;
    rc = lb_read_file(path, text, LB_CONFIG_FILE_MAX, &len);
    if (rc == 0) {
        rc = lb_ini_read(text, len, note_line, note_fault, &reading);
    } else {
        file->is_broken = true;
        lb_config_fault(faults, &whole, "cannot read: %s",
                        rc == -E2BIG ? "larger than 1 MiB" : strerror(-rc));
        rc = 0;
    }
    if (rc == -EIO) {
        file->is_broken = true;
        lb_config_fault(faults, &whole,
                        "cannot read: the installed inih library does not give back what it gets");
        rc = 0;
    }
    free(text);
    return rc;
}

void lb_config_file_free(struct lb_config_file *file)
{
    for (size_t i = 0; i < file->count; i++) {
        free(file->settings[i].section);
        free(file->settings[i].key);
        free(file->settings[i].value);
    }
    free(file->settings);
    *file = (struct lb_config_file) { 0 };
}
