/* SPDX-License-Identifier: MIT */
/*
 * A sink's secret. In: where it may be. Out: the secret in the caller's
 * buffer, and the name of the place. Always true: no copy of it is left in
 * memory of ours, and no message is made here.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/read_file.h"

#define SECRET_FILE_MAX 4096
#define PATH_BYTES_MAX  4096

/* Copy a secret without the blanks around it. */
static int take(const char *text, size_t len, char *buf, size_t size)
{
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    while (len > 0 && isspace((unsigned char)text[0]))
        text++, len--;
    if (len == 0)
        return -EINVAL;
    if (len >= size)
        return -E2BIG;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return -EINVAL;
    memcpy(buf, text, len);
    buf[len] = '\0';
    return 0;
}

static int take_file(const char *path, char *buf, size_t size)
{
    char text[SECRET_FILE_MAX];
    size_t len = 0;
    int rc = lb_read_file(path, text, sizeof text, &len);

    if (rc == 0)
        rc = take(text, len, buf, size);
    explicit_bzero(text, sizeof text);
    return rc;
}

int lb_config_read_secret(const struct lb_sink_config *sink, char *buf, size_t size, const char **ret_where)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    const char *value = getenv("DD_API_KEY");
    char path[PATH_BYTES_MAX];
    int rc = -ENOENT;

    if (sink->api_key_file[0] != '\0') {
        *ret_where = sink->api_key_file;
        rc = take_file(sink->api_key_file, buf, size);
    }
    if (rc == -ENOENT && directory && directory[0] == '/') {
        if (snprintf(path, sizeof path, "%s/api_key", directory) >= (int)sizeof path)
            return -ENAMETOOLONG;
        *ret_where = "$CREDENTIALS_DIRECTORY/api_key";
        rc = take_file(path, buf, size);
    }
    if (rc == -ENOENT && value) {
        *ret_where = "$DD_API_KEY";
        rc = take(value, strlen(value), buf, size);
    }
    return rc;
}
