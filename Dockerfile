# The image of every role: ROLE chooses. It carries no database; DATABASE_URL and ENCRYPTION_KEYS are required.
#   docker build -t carillon .

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# The compiler is a native program that comes as an optional package.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY channels channels
COPY migrations migrations
# Without the compiler's stamp the start takes dist as it is.
RUN npm run build && rm dist/.tsbuildinfo

FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 METRICS_PORT=9464
WORKDIR /app
COPY --from=packages /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY package.json LICENSE ./
COPY src/launch.js src/launch.js
COPY templates templates
# Nothing is written to the file system; the process needs no rights in it.
USER node
EXPOSE 3000 9464
# The listener of METRICS_PORT answers for every role.
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.METRICS_PORT}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node itself is process 1: Carillon hears SIGTERM and starts no children that would need an init.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "--min-semi-space-size=16", "src/launch.js"]
CMD ["start"]
