/** How a person gets the credentials of a mail server. */
export const guide = `
Any SMTP server will do: your provider's, a relay service, or your own.

1. Find **server**, **port** and **encryption** in your provider's help under *SMTP* or *outgoing mail*. Port 587 goes with
   *starttls*, port 465 with *tls*. Use *none* only inside your own network.
2. **User name and password.** Many providers want a password made for this purpose (an app password or SMTP credential)
   rather than the one you sign in with.
3. **Sender address.** The server must be allowed to send for it. So that mail is not taken for spam, the domain needs
   three DNS records: SPF (which servers may send), DKIM (your provider gives you the key) and DMARC.
4. Save the connection and press **Test**: it signs in and leaves without sending anything.
5. **Marketing** carries a link by which a mailbox lets people leave with one click, once this installation has a public
   address (\`PUBLIC_URL\`, https). Mailboxes trust it only when the server signs (DKIM) both \`List-Unsubscribe\` and
   \`List-Unsubscribe-Post\`: most relays do by themselves; on your own, add them to the list of signed headers.
6. Send yourself a message and look at its headers: SPF, DKIM and DMARC should each say *pass*.

A message is *sent* when the server has taken it; SMTP says nothing more. To hear what becomes of it, choose what comes back:

- **ses**: in Amazon SES send the events of a configuration set (or the feedback of the identity) to an SNS topic. Give the
  topic's ARN here, then subscribe the callback address shown on this connection to the topic, as HTTPS, without raw message
  delivery. The subscription confirms itself.
- **mailgun**: *Sending → Webhooks*: the callback address for every event you want. The HTTP webhook signing key stands under
  *API security*.
- **postmark**: *Message stream → Webhooks*: the callback address, with Basic authentication: any name, and the callback
  password you made up here.
- **mime**: let your mail server, or an inbound-mail service, post each mail that comes to the sender address, whole and as
  it is (message/rfc822, up to 3 MB), to the callback address, with the callback password as \`Authorization: Bearer …\` or as
  Basic. Bounces and complaints find their message, answers come in as messages, automatic answers are left.

**If it fails.** *Credentials refused*: an app password is needed, or the account has SMTP switched off. *Could not be
reached*: the port is blocked on the way; many hosting providers block 25. *Certificate*: the server's name here must be
the one in its certificate.
`.trim();
