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

/* Copy a secret without the blanks around it. -ENODATA: there is nothing else. */
static int take(const char *text, size_t len, char *buf, size_t size)
{
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    while (len > 0 && isspace((unsigned char)text[0]))
        text++, len--;
    if (len == 0)
        return -ENODATA;
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

/* The unit's copy. An empty one stands for "there is none": it is what the packaged unit puts where root
 * keeps no key. */
static int take_credential(const char *name, char *buf, size_t size)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_BYTES_MAX];
    int rc;

    if (!directory || directory[0] != '/')
        return -ENOENT;
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return -ENAMETOOLONG;
    rc = take_file(path, buf, size);
    return rc == -ENODATA ? -ENOENT : rc;
}

int lb_config_read_secret(const struct lb_sink_config *sink, char *buf, size_t size, const char **ret_where)
{
    const char *value = strcmp(sink->type, "datadog") == 0 ? getenv("DD_API_KEY") : NULL;
    char own[LB_NAME_MAX + sizeof ".api_key"];
    int rc = -ENOENT, file_rc = -ENOENT;

    if (sink->api_key_file[0] != '\0') {
        *ret_where = sink->api_key_file;
        rc = file_rc = take_file(sink->api_key_file, buf, size);
    }
    /* A file that only root may read is the usual case: then the service manager hands over a copy. */
    if (rc == -ENOENT || rc == -EACCES) {
        snprintf(own, sizeof own, "%s.api_key", sink->name);
        rc = take_credential(own, buf, size);
        if (rc != -ENOENT)
            *ret_where = "$CREDENTIALS_DIRECTORY/NAME.api_key";
    }
    if (rc == -ENOENT) {
        rc = take_credential("api_key", buf, size);
        if (rc != -ENOENT)
            *ret_where = LB_CONFIG_COMMON_KEY;
    }
    if (rc == -ENOENT && value) {
        *ret_where = "$DD_API_KEY";
        rc = take(value, strlen(value), buf, size);
    }
    if (rc == -ENOENT)
        rc = file_rc;
    return rc == -ENODATA ? -EINVAL : rc;
}
