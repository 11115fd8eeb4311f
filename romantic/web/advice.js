// What to do about each step that fails, for the person at the screen and not for whoever runs the server.

export const ADVICE = {
  away: "Look whether other pages open. If they do, the server is down or a firewall keeps you from it: try mobile data, then tell whoever runs it.",
  notReady: "The server is starting, stopping or has lost its database. Wait a minute and check again.",
  wentAway: "The server or your network went away in the middle. Look whether other pages open, then check again.",
  signedOut: "Press “Check again” and sign in.",
  refused: "Check again. If it stays, send the report to whoever runs the server.",
  socketBlocked: "Something between you and the server cuts WebSockets, often a company proxy, a VPN or an antivirus. Switch it off or use mobile data.",
  socketStopped: "Close other tabs and apps that are signed in as you, then check again.",
  slow: "Move closer to the router or use a cable, stop downloads, and leave the VPN.",
  noIceServers: "Calls between two networks need a STUN server, often a TURN server too: whoever runs this server sets WEBRTC_STUN_SERVERS.",
  noAddresses: "This browser may not use WebRTC. Switch off the extension or policy that blocks it, leave the VPN, or use another browser.",
  stunSilent: "No STUN server answered, so your router's address stays unknown. A firewall that stops UDP is the usual reason: try another Wi-Fi or mobile data.",
  turnSilent: "The relay did not answer. Calls still work where a direct path is found; elsewhere try another network and tell whoever runs the server.",
  udpBlocked: "Leave the VPN or company network, try another Wi-Fi or mobile data. If it fails everywhere, the UDP port of the server is closed: tell whoever runs it.",
  dtls: "A path is there, but the encrypted handshake did not finish: many packets are lost, or a firewall inspects them. Try another network.",
  noPackets: "The way is open and packets do not arrive. Move closer to the router, or try another network.",
  lossy: "Packets get lost or come late. Move closer to the router, use a cable, stop downloads on this network.",
  relayNeeded: "Your router shows every peer another address, so some calls need a relay. Another Wi-Fi or mobile data usually helps.",
  insecure: "Browsers give camera and microphone to secure addresses only: open this page by https, or by localhost.",
  noMicrophone: "Plug in a microphone or headset, and let the system's settings allow it for the browser.",
  noCamera: "Audio calls work. For video, plug in a camera, and let the system's settings allow it for the browser.",
  notAllowed: "Allow camera and microphone for this page: by the sign beside the address, or in the system's privacy settings.",
  busyDevice: "Another program holds the camera or microphone. Close it, then check again.",
  noAnswerToPrompt: "The browser asked for camera and microphone and nobody answered. Check again and allow it.",
  noReturn: "After a break the connection did not come back. If you were moving between networks, check again when it is calm.",
};

/** A server's refusal, or nobody's answer, in our words. */
export function adviceFor({ status, code }) {
  if (status === 0) return ADVICE.wentAway;
  if (status === 401 || code === "UNAUTHORIZED") return ADVICE.signedOut;
  return ADVICE.refused;
}
