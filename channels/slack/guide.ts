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

A message is *delivered* as soon as Slack has taken it. Slack never says whether it was read. The **signing secret** (under
*Basic Information*) is only needed for callbacks from Slack, which the product does not use yet.
`.trim();
