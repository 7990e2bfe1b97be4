# SPDX-License-Identifier: MIT
"""A bare ASGI application, for uvicorn: /fail raises."""


class Sensor:
    async def read(self):
        raise OSError(5, "bus error")


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    if scope["path"] == "/fail":
        await Sensor().read()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"fine\n"})
