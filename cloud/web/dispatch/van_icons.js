// Pictures of vans for the map, drawn here so that nothing has to be fetched.

const SIZE_PX = 34;
const GREY = "#7c8386";

/** Add `van-N-moving`, `van-N-standing` for each colour, and `van-silent`, to a MapLibre map. */
export function addVanIcons(map, colours) {
  colours.forEach((colour, index) => {
    add(map, `van-${index}-moving`, colour, arrow);
    add(map, `van-${index}-standing`, colour, square);
  });
  add(map, "van-silent", GREY, question);
}

function add(map, name, colour, sign) {
  const scale = Math.max(2, Math.ceil(window.devicePixelRatio));
  const canvas = new OffscreenCanvas(SIZE_PX * scale, SIZE_PX * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.translate(SIZE_PX / 2, SIZE_PX / 2);
  disc(pen, colour);
  sign(pen);
  map.addImage(name, pen.getImageData(0, 0, canvas.width, canvas.height), { pixelRatio: scale });
}

function disc(pen, colour) {
  pen.shadowColor = "rgb(0 0 0 / 45%)";
  pen.shadowBlur = 4;
  pen.fillStyle = "#ffffff";
  circle(pen, 13);
  pen.shadowBlur = 0;
  pen.fillStyle = colour;
  circle(pen, 11);
}

function circle(pen, radius) {
  pen.beginPath();
  pen.arc(0, 0, radius, 0, Math.PI * 2);
  pen.fill();
}

function arrow(pen) {
  pen.fillStyle = "#ffffff";
  pen.beginPath();
  pen.moveTo(0, -7.5);
  pen.lineTo(5.4, 6);
  pen.lineTo(0, 3);
  pen.lineTo(-5.4, 6);
  pen.closePath();
  pen.fill();
}

function square(pen) {
  pen.fillStyle = "#ffffff";
  pen.beginPath();
  pen.roundRect(-3.8, -3.8, 7.6, 7.6, 1.5);
  pen.fill();
}

function question(pen) {
  pen.fillStyle = "#ffffff";
  pen.font = "bold 15px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText("?", 0, 1);
}
