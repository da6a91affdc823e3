/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One command to the mconsole of the running UML, from uml_hook. Returns 0 if
 * UML says OK, 1 if it says ERR, -1 if it says nothing.
 */
#ifndef _UBD_MCONSOLE_H
#define _UBD_MCONSOLE_H

#include <sys/socket.h>
#include <sys/un.h>

static inline int mconsole(const char *command)
{
	struct {
		uint32_t magic, version, len;
		char data[512];
	} request = { 0xcafebabe, 2, strlen(command), "" };
	struct {
		uint32_t err, more, len;
		char data[512];
	} reply;
	struct sockaddr_un to = { AF_UNIX, "uml/mconsole" }, me = { AF_UNIX, "me" };
	struct timeval patience = { 5, 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = -1;

	unlink("me");
	strcpy(request.data, command);
	if (!bind(fd, (void *)&me, sizeof(me)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) &&
	    sendto(fd, &request, sizeof(request), 0, (void *)&to, sizeof(to)) > 0 &&
	    recv(fd, &reply, sizeof(reply), 0) >= 12)
		ret = !!reply.err;
	printf("# mconsole '%s': %s %.*s\n", command,
	       ret < 0 ? "no reply" : ret ? "ERR" : "OK",
	       ret < 0 ? 0 : (int)strcspn(reply.data, "\n"), reply.data);
	close(fd);
	return ret;
}

#endif
