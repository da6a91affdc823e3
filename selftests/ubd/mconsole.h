/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The mconsole of the running UML. Returns 0 if UML says OK, 1 if it says ERR,
 * -1 if it says nothing.
 */
#ifndef _UBD_MCONSOLE_H
#define _UBD_MCONSOLE_H

#include <sys/socket.h>
#include <sys/un.h>

#define MCONSOLE_REPLY	512

/* One command, by a client of that name; what is said goes to text */
static inline int mconsole_ask(const char *name, const char *command, char *text)
{
	struct {
		uint32_t magic, version, len;
		char data[MCONSOLE_REPLY];
	} request = { 0xcafebabe, 2, strlen(command), "" };
	struct {
		uint32_t err, more, len;
		char data[MCONSOLE_REPLY];
	} reply;
	struct sockaddr_un to = { AF_UNIX, "uml/mconsole" }, me = { AF_UNIX, "" };
	struct timeval patience = { 5, 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = -1;

	memset(&reply, 0, sizeof(reply));
	snprintf(me.sun_path, sizeof(me.sun_path), "%s", name);
	unlink(name);
	strcpy(request.data, command);
	if (!bind(fd, (void *)&me, sizeof(me)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) &&
	    sendto(fd, &request, sizeof(request), 0, (void *)&to, sizeof(to)) > 0 &&
	    recv(fd, &reply, sizeof(reply), 0) >= 12)
		ret = !!reply.err;
	close(fd);
	reply.data[MCONSOLE_REPLY - 1] = '\0';
	strcpy(text, reply.data);
	return ret;
}

/* One command from uml_hook, shown with its answer */
static inline int mconsole(const char *command)
{
	char text[MCONSOLE_REPLY];
	int ret = mconsole_ask("me", command, text);

	printf("# mconsole '%s': %s %.*s\n", command,
	       ret < 0 ? "no reply" : ret ? "ERR" : "OK",
	       ret < 0 ? 0 : (int)strcspn(text, "\n"), text);
	return ret;
}

/*
 * Until there is nothing to remove. Right after a device was added, the kernel
 * itself may still have it open.
 */
static inline int mconsole_remove(const char *dev)
{
	char command[32];
	int i, ret = 1;

	snprintf(command, sizeof(command), "remove %s", dev);
	for (i = 0; i < 20 && ret == 1; i++) {
		if (i)
			usleep(20000);
		ret = mconsole(command);
	}
	return ret;
}

#endif
