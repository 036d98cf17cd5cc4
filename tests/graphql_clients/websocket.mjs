// What browsers have, and node 20 lacks.
import { WebSocket } from 'ws';

globalThis.WebSocket ??= WebSocket;
