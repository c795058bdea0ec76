/** How a person gets the credentials of a Slack workspace. */
export const guide = `
1. At api.slack.com/apps choose *Create New App → From scratch*, give it the name people should see, choose the workspace.
2. Under **OAuth & Permissions → Bot Token Scopes** add \`chat:write\`. Press *Install to workspace* and allow it.
3. Copy the **Bot User OAuth Token**; it begins with \`xoxb-\`.
4. Save the connection and press **Test**. You should see the app's name and the workspace.

**Whom to write to.** A person is known by a member ID such as \`U024BE7LH\`: open their profile in Slack, press the three
dots, *Copy member ID*. Names and e-mail addresses do not work.

**How it looks.** \`body\` is plain text and is shown exactly as written, whatever signs it has. \`text\` is Slack's own
markup: \`*bold*\`, \`<https://example.com|a link>\`; values put into it by a template can never add a link or ping a room.
\`blocks\` is Block Kit, up to 50 blocks; with it, \`body\` or \`text\` is what the notification shows.

A message is *delivered* as soon as Slack has taken it. Slack never says whether it was read.

**What people write.** Copy the **signing secret** (under *Basic Information*) into the connection; without it everything that
comes is refused. Then paste the callback address shown on this connection twice: under *Event Subscriptions → Request URL*,
and under *Interactivity → Request URL* for buttons. Subscribe to the bot events \`message.im\` for direct messages,
\`app_mention\` for mentions, \`message.channels\` for rooms the app was invited to, and \`app_uninstalled\`. Slack asks for the
scopes they need (\`im:history\`, \`app_mentions:read\`, \`channels:history\`); add \`files:read\` for files. Install the app again.

**A room** is known by its channel ID, such as \`C024BE91L\`, at the end of its details. The app must have been invited.
`.trim();
